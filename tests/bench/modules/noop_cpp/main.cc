// The module noop_cpp: a command that does nothing, and one that reads, to be timed.
#include "outpost/main.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "outpost/module.h"

namespace {

using outpost::Json;

class NoopModule : public outpost::Module {
 public:
  NoopModule() : Module({.name = "noop_cpp", .version = "0.1.0"}) {
    commands().Add("noop-cpp").Describe("Do nothing").Perm("r").Handle([] {
      return outpost::CommandResult::Ok("");
    });
    commands().Add("reads-cpp").Describe("Time reads of the OSD map").Perm("rw").Handle([this] {
      return Reads();
    });
  }

 private:
  // {"unchanged_us": each, "first_us": each, "bytes": of the text}
  outpost::CommandResult Reads() {
    constexpr int kReads = 100'000;
    constexpr int kChanges = 10;
    std::vector<double> first;
    size_t bytes = 0;
    for (int i = 0; i < kChanges; ++i) {
      const auto changed =
          MonCommand({{"prefix", i % 2 == 0 ? "osd set" : "osd unset"}, {"key", "noout"}});
      if (!changed.ok()) return outpost::CommandResult::Error(5, changed.status().ToString());
      const absl::Time begin = absl::Now();
      const auto map = Get("osd_map");
      first.push_back(absl::ToDoubleMicroseconds(absl::Now() - begin));
      if (!map.ok()) return outpost::CommandResult::Error(5, map.status().ToString());
      bytes = map->json().size();
    }
    const absl::Time begin = absl::Now();
    for (int i = 0; i < kReads; ++i) {
      if (!Get("osd_map").ok()) return outpost::CommandResult::Error(5, "Get fails");
    }
    const double unchanged = absl::ToDoubleMicroseconds(absl::Now() - begin) / kReads;
    std::sort(first.begin(), first.end());
    return outpost::CommandResult::Ok(Json{
        {"unchanged_us", unchanged},
        {"first_us", first[first.size() / 2]},
        {"bytes", bytes}}.dump());
  }
};

}  // namespace

int main(int argc, char** argv) { return outpost::RunModule<NoopModule>(argc, argv); }
