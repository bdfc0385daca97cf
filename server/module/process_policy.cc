#include "server/module/process_policy.h"

#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/text/nearest.h"

namespace outpost::module {
namespace {

using Setter = std::function<absl::Status(const std::string& word, ProcessPolicy& policy)>;

absl::Status NotA(const std::string& word, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("\"", word, "\" is not ", what));
}

Setter Seconds(absl::Duration ProcessPolicy::*field) {
  return [field](const std::string& word, ProcessPolicy& policy) {
    double seconds = 0;
    if (!absl::SimpleAtod(word, &seconds) || !std::isfinite(seconds) || seconds <= 0) {
      return NotA(word, "a number of seconds greater than 0");
    }
    policy.*field = absl::Seconds(seconds);
    return absl::OkStatus();
  };
}

Setter Number(uint64_t& (*field)(ProcessPolicy&), uint64_t least, uint64_t most) {
  return [=](const std::string& word, ProcessPolicy& policy) {
    uint64_t number = 0;
    if (!absl::SimpleAtoi(word, &number) || number < least || number > most) {
      return NotA(word, absl::StrCat("a number from ", least, " to ", most));
    }
    field(policy) = number;
    return absl::OkStatus();
  };
}

Setter Flag(bool ProcessSandbox::*field) {
  return [field](const std::string& word, ProcessPolicy& policy) {
    if (!absl::SimpleAtob(word, &(policy.sandbox.*field))) return NotA(word, "true or false");
    return absl::OkStatus();
  };
}

absl::Status SetRestart(const std::string& word, ProcessPolicy& policy) {
  for (const RestartPolicy known :
       {RestartPolicy::kAlways, RestartPolicy::kOnFailure, RestartPolicy::kNever}) {
    if (word != RestartPolicyName(known)) continue;
    policy.restart = known;
    return absl::OkStatus();
  }
  return NotA(word, "one of always, on-failure, never");
}

absl::Status SetMemory(const std::string& word, ProcessPolicy& policy) {
  constexpr absl::string_view kUnits = "KMGT";
  constexpr uint64_t kLeast = uint64_t{1} << 20;  // less, and not even a program can be loaded
  std::string digits = word;
  int shift = 0;
  if (!digits.empty()) {
    const size_t unit = kUnits.find(absl::ascii_toupper(digits.back()));
    if (unit != absl::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      digits.pop_back();
    }
  }
  uint64_t number = 0;
  if (!absl::SimpleAtoi(digits, &number) || number > (UINT64_MAX >> 1 >> shift) ||
      (number << shift) < kLeast) {
    return NotA(word, "a number of bytes, at least 1M, such as 256M or 2G");
  }
  policy.limits.memory_bytes = number << shift;
  return absl::OkStatus();
}

absl::Status SetCpuWeight(const std::string& word, ProcessPolicy& policy) {
  policy.limits.cpu_idle = word == "idle";
  policy.limits.cpu_weight = 0;
  if (policy.limits.cpu_idle) return absl::OkStatus();
  uint64_t weight = 0;
  if (!absl::SimpleAtoi(word, &weight) || weight < 1 || weight > 10'000) {
    return NotA(word, "a number from 1 to 10000, or idle");
  }
  policy.limits.cpu_weight = weight;
  return absl::OkStatus();
}

absl::Status SetQuota(const std::string& word, ProcessPolicy& policy) {
  double processors = 0;
  if (!absl::SimpleAtod(word, &processors) || !(processors >= 0.01) || processors > 4096) {
    return NotA(word, "a number of processors from 0.01 to 4096");
  }
  policy.limits.cpu_quota = processors;
  return absl::OkStatus();
}

const std::map<std::string, Setter>& Setters() {
  static const auto* const setters = new std::map<std::string, Setter>{
      {"restart", SetRestart},
      {"first-backoff", Seconds(&ProcessPolicy::first_backoff)},
      {"max-backoff", Seconds(&ProcessPolicy::max_backoff)},
      {"stable-after", Seconds(&ProcessPolicy::stable_after)},
      {"start-limit",
       Number([](ProcessPolicy& p) -> uint64_t& { return p.start_limit; }, 0, 1'000'000)},
      {"start-limit-interval", Seconds(&ProcessPolicy::start_limit_interval)},
      {"start-limit-backoff", Seconds(&ProcessPolicy::start_limit_backoff)},
      {"ready-timeout", Seconds(&ProcessPolicy::ready_timeout)},
      {"drain-timeout", Seconds(&ProcessPolicy::drain_timeout)},
      {"shutdown-grace", Seconds(&ProcessPolicy::shutdown_grace)},
      {"memory", SetMemory},
      {"cpu-weight", SetCpuWeight},
      {"cpu-quota", SetQuota},
      {"pids", Number([](ProcessPolicy& p) -> uint64_t& { return p.limits.pids; }, 1, 4'194'304)},
      {"open-files",
       Number([](ProcessPolicy& p) -> uint64_t& { return p.limits.open_files; }, 16, 1 << 30)},
      {"calls-per-second",
       Number([](ProcessPolicy& p) -> uint64_t& { return p.rates.calls; }, 1, 1'000'000)},
      {"log-lines-per-second",
       Number([](ProcessPolicy& p) -> uint64_t& { return p.rates.log_lines; }, 1, 1'000'000)},
      {"no-new-privileges", Flag(&ProcessSandbox::no_new_privileges)},
      {"user",
       [](const std::string& word, ProcessPolicy& policy) {
         policy.sandbox.user = word;
         return absl::OkStatus();
       }},
      {"read-only", Flag(&ProcessSandbox::read_only)},
      {"writable",
       [](const std::string& word, ProcessPolicy& policy) {
         if (!absl::StartsWith(word, "/")) return NotA(word, "an absolute path");
         policy.sandbox.writable.push_back(word);
         return absl::OkStatus();
       }},
      {"private-tmp", Flag(&ProcessSandbox::private_tmp)},
      {"landlock", Flag(&ProcessSandbox::landlock)},
      {"seccomp", Flag(&ProcessSandbox::seccomp)},
  };
  return *setters;
}

}  // namespace

absl::string_view RestartPolicyName(RestartPolicy policy) {
  switch (policy) {
    case RestartPolicy::kAlways:
      return "always";
    case RestartPolicy::kOnFailure:
      return "on-failure";
    case RestartPolicy::kNever:
      return "never";
  }
  return "?";
}

absl::Status Apply(const ProcessSetting& setting, ProcessPolicy* policy) {
  const auto it = Setters().find(setting.key);
  if (it == Setters().end()) {
    std::vector<std::string> known;
    for (const auto& [key, setter] : Setters()) known.push_back(key);
    return absl::InvalidArgumentError(
        absl::StrCat("there is no setting \"", setting.key, "\" of a module's process",
                     text::DidYouMean(text::Nearest(setting.key, known, 1))));
  }
  if (setting.key == "writable") {
    policy->sandbox.writable.clear();
  } else if (setting.words.size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(setting.key, " is one value, not a list"));
  }
  for (const std::string& word : setting.words) {
    if (auto status = it->second(word, *policy); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(setting.key, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<OperatorSetting> ParseOperatorSetting(absl::string_view text) {
  const std::pair<std::string, std::string> halves = absl::StrSplit(text, absl::MaxSplits('=', 1));
  const size_t dot = halves.first.find('.');
  if (dot == std::string::npos || dot == 0 || !absl::StrContains(text, '=')) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" is not MODULE.KEY=VALUE, such as hello.memory=64M or *.restart=never"));
  }
  OperatorSetting result = {
      .module = halves.first.substr(0, dot),
      .setting = {.key = halves.first.substr(dot + 1), .words = {halves.second}}};
  if (result.setting.key == "writable") result.setting.words = absl::StrSplit(halves.second, ':');
  ProcessPolicy scratch;
  if (auto status = Apply(result.setting, &scratch); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\": ", status.message()));
  }
  return result;
}

}  // namespace outpost::module
