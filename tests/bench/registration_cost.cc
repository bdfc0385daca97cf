#include "tests/bench/registration_cost.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/command/command_table.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

constexpr int kModules = 50;
constexpr int kCommands = 40;  // of each
constexpr int kTimes = 200;

void Come(command::CommandTable& table, const std::string& name) {
  std::vector<command::Declaration> declarations;
  declarations.reserve(kCommands);
  for (int i = 0; i < kCommands; ++i) {
    declarations.push_back(
        {.signature = absl::StrCat(name, " command", i, " name=what,type=CephString,req=false"),
         .description = "One of the commands of a module",
         .permissions = "rw"});
  }
  const absl::Status set = table.SetCommands(
      {.kind = command::Provider::Kind::kModule, .module = name}, std::move(declarations));
  if (!set.ok()) Die(std::string(set.message()));
}

// What it takes a module to come and to go, in microseconds.
double Microseconds(command::CommandTable& table) {
  const absl::Time begin = absl::Now();
  for (int i = 0; i < kTimes; ++i) {
    Come(table, "another");
    table.RemoveCommands({.kind = command::Provider::Kind::kModule, .module = "another"});
  }
  return absl::ToDoubleMicroseconds(absl::Now() - begin) / kTimes;
}

}  // namespace

Row RegistrationCost(int rounds) {
  command::CommandTable empty;
  command::CommandTable full;
  for (int i = 0; i < kModules; ++i) Come(full, absl::StrCat("module", i));
  return Compare(
      absl::StrCat("a module with ", kCommands, " commands comes and goes beside ", kModules,
                   " others (unit: alone)"),
      "us", rounds, [&] { return Microseconds(full); }, [&] { return Microseconds(empty); }, 1.5,
      /*at_most=*/true);
}

}  // namespace outpost::bench
