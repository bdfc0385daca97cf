#include "dice_module.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

void to_json(outpost::Json& json, const Throw& thrown) {
  json = {{"eyes", thrown.eyes}, {"total", thrown.total}};
}

DiceModule::DiceModule() : Module({.name = "dice", .version = "1.0"}) {
  commands()
      .Add("dice throw")
      .Describe("Throw some dice")
      .Perm("rw")
      .Arg<int64_t>("number", {.min = 1, .max = 10, .default_value = 1})
      .Handle([this](int64_t number) { return ThrowDice(number); },
              [](const Throw& thrown) {
                return absl::StrCat(absl::StrJoin(thrown.eyes, " "), " (all throws: ", thrown.total,
                                    ")");
              });
}

absl::StatusOr<Throw> DiceModule::ThrowDice(int64_t number) {
  absl::MutexLock lock(&mu_);
  const absl::StatusOr<std::optional<std::string>> stored = GetStore("total");
  if (!stored.ok()) return stored.status();
  Throw thrown;
  if (*stored && !absl::SimpleAtoi(**stored, &thrown.total)) {
    return absl::DataLossError(absl::StrCat("the key total is no number: ", **stored));
  }
  for (int64_t i = 0; i < number; ++i) {
    thrown.eyes.push_back(absl::Uniform<int64_t>(absl::IntervalClosed, random_, 1, sides_.Get()));
    thrown.total += thrown.eyes.back();
  }
  if (absl::Status status = SetStore("total", absl::StrCat(thrown.total)); !status.ok()) {
    return status;
  }
  std::vector<outpost::HealthCheck> checks;
  if (std::all_of(thrown.eyes.begin(), thrown.eyes.end(), [](int64_t n) { return n == 1; })) {
    checks.push_back({.code = "DICE_BAD_LUCK", .summary = "nothing but ones"});
  }
  if (absl::Status status = SetHealthChecks(checks); !status.ok()) return status;
  return thrown;
}
