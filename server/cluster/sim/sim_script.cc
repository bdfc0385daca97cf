#include "server/cluster/sim/sim_script.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace outpost::cluster::sim {

// Reads one script.
class ScriptParser {
 public:
  ScriptParser(absl::string_view name, const Cluster& cluster) : name_(name), cluster_(cluster) {}

  absl::StatusOr<Script> Parse(absl::string_view text) {
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      ++line_;
      words_ = absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
      // A word that begins so begins a comment.
      words_.erase(std::find_if(words_.begin(), words_.end(),
                                [](absl::string_view word) { return word[0] == '#'; }),
                   words_.end());
      if (words_.empty()) continue;
      next_ = 0;
      if (absl::Status status = Line(); !status.ok()) return status;
    }
    for (const Script::Event& event : script_.events_) {
      if (event.at < script_.repeat_) continue;
      return absl::InvalidArgumentError(absl::StrCat(name_, ": an event at ",
                                                     absl::FormatDuration(event.at),
                                                     " never happens: the script "
                                                     "repeats every ",
                                                     absl::FormatDuration(script_.repeat_)));
    }
    std::stable_sort(script_.events_.begin(), script_.events_.end(),
                     [](const Script::Event& a, const Script::Event& b) { return a.at < b.at; });
    return std::move(script_);
  }

 private:
  absl::Status Wrong(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ":", line_, ": ", what));
  }

  std::string Word() { return next_ < words_.size() ? std::string(words_[next_++]) : ""; }
  bool Take(absl::string_view word) {
    if (next_ >= words_.size() || words_[next_] != word) return false;
    ++next_;
    return true;
  }
  absl::Status End() const {
    if (next_ == words_.size()) return absl::OkStatus();
    return Wrong(absl::StrCat("\"", words_[next_], "\" is too much"));
  }
  absl::Status ReadTime(absl::Duration least, absl::Duration* time) {
    const std::string word = Word();
    if (absl::ParseDuration(word, time) && *time >= least && *time < absl::InfiniteDuration()) {
      return absl::OkStatus();
    }
    return Wrong(absl::StrCat("\"", word, "\" is no time of at least ", absl::FormatDuration(least),
                              ": write 90s, 5m or 1h30m"));
  }

  absl::Status Line() {
    const std::string first = Word();
    if (first == "repeat") {
      if (!Take("every")) return Wrong("it is: repeat every TIME");
      if (auto status = ReadTime(absl::Seconds(1), &script_.repeat_); !status.ok()) return status;
      return End();
    }
    if (first != "at") {
      return Wrong(absl::StrCat("\"", first, "\": a line begins with \"at\" or \"repeat\""));
    }
    if (auto status = ReadTime(absl::ZeroDuration(), &at_); !status.ok()) return status;
    const std::string subject = Word();
    if (subject == "osd") return OsdLine();
    if (subject == "host") return HostLine();
    if (subject == "pool") return PoolLine();
    if (subject == "set" || subject == "unset") return FlagLine(subject == "set");
    if (subject == "log") return LogLine();
    return Wrong(absl::StrCat("\"", subject, "\" is not one of osd, host, pool, set, unset, log"));
  }

  void Add(Script::Action action) { AddAt(at_, std::move(action)); }
  void AddAt(absl::Duration at, Script::Action action) {
    script_.events_.push_back({at, std::move(action)});
  }

  absl::Status OsdLine() {
    const std::string word = Word();
    int id = 0;
    if (!absl::SimpleAtoi(word, &id) || id < 0 || static_cast<size_t>(id) >= cluster_.osds.size()) {
      return Wrong(
          absl::StrCat("there is no OSD \"", word, "\": they are 0 to ", cluster_.osds.size() - 1));
    }
    if (Take("out")) {
      Add([id](Model& model, const Script::Log&) { model.MarkOut({id}); });
      return End();
    }
    if (Take("in")) {
      Add([id](Model& model, const Script::Log&) { model.MarkIn({id}); });
      return End();
    }
    if (Take("flap")) return FlapLine(id);
    return FailureLine({id}, "osd ID down [for TIME], up, out, in, or flap TIMES every TIME");
  }

  // TIMES down and up again, half of each period.
  absl::Status FlapLine(int id) {
    const std::string word = Word();
    int times = 0;
    if (!absl::SimpleAtoi(word, &times) || times < 1 || times > 1000) {
      return Wrong(absl::StrCat("\"", word, "\" is no number of times from 1 to 1000"));
    }
    if (!Take("every")) return Wrong("it is: osd ID flap TIMES every TIME");
    absl::Duration period;
    if (auto status = ReadTime(absl::Seconds(1), &period); !status.ok()) return status;
    for (int i = 0; i < times; ++i) {
      AddAt(at_ + i * period,
            [id, period](Model& model, const Script::Log&) { model.FailOsds({id}, period / 2); });
    }
    return End();
  }

  absl::Status HostLine() {
    const std::string name = Word();
    for (const Host& host : cluster_.hosts) {
      if (host.name == name) return FailureLine(host.osds, "host NAME down [for TIME], or up");
    }
    return Wrong(absl::StrCat("there is no host \"", name, "\": they are host1 to host",
                              cluster_.hosts.size()));
  }

  absl::Status FailureLine(const std::vector<int>& osds, absl::string_view usage) {
    if (Take("up")) {
      Add([osds](Model& model, const Script::Log&) { model.StartOsds(osds); });
      return End();
    }
    if (!Take("down")) return Wrong(absl::StrCat("it is: ", usage));
    absl::Duration time = absl::InfiniteDuration();
    if (Take("for")) {
      if (auto status = ReadTime(absl::Seconds(1), &time); !status.ok()) return status;
    }
    Add([osds, time](Model& model, const Script::Log&) { model.FailOsds(osds, time); });
    return End();
  }

  absl::Status PoolLine() {
    const std::string name = Word();
    if (FindPool(cluster_, name) == nullptr) {
      return Wrong(absl::StrCat("there is no pool \"", name, "\""));
    }
    if (!Take("fill")) return Wrong("it is: pool NAME fill PERCENT% [over TIME]");
    const std::string word = Word();
    double percent = 0;
    if (!absl::SimpleAtod(std::string(absl::StripSuffix(word, "%")), &percent) ||
        !(percent >= 0 && percent <= 100)) {
      return Wrong(absl::StrCat("\"", word, "\" is no share from 0% to 100%"));
    }
    absl::Duration time;
    if (Take("over")) {
      if (auto status = ReadTime(absl::Seconds(1), &time); !status.ok()) return status;
    }
    Add([name, percent, time](Model& model, const Script::Log&) {
      model.FillPool(name, percent / 100, time);
    });
    return End();
  }

  absl::Status FlagLine(bool set) {
    const std::string word = Word();
    const uint32_t flags = FlagsOfKey(word);
    if (flags == 0) return Wrong(absl::StrCat("there is no flag \"", word, "\""));
    Add([flags, set](Model& model, const Script::Log&) {
      set ? model.SetFlags(flags) : model.ClearFlags(flags);
    });
    return End();
  }

  absl::Status LogLine() {
    const std::string level = Word();
    if (level != "debug" && level != "info" && level != "warn" && level != "error") {
      return Wrong(absl::StrCat("\"", level, "\" is not one of debug, info, warn, error"));
    }
    if (next_ == words_.size()) return Wrong("it is: log LEVEL TEXT");
    std::string text =
        absl::StrJoin(words_.begin() + static_cast<std::ptrdiff_t>(next_), words_.end(), " ");
    Add([level, text = std::move(text)](Model&, const Script::Log& log) { log(level, text); });
    return absl::OkStatus();
  }

  const std::string name_;
  const Cluster& cluster_;
  int line_ = 0;
  std::vector<absl::string_view> words_;
  size_t next_ = 0;
  absl::Duration at_;
  Script script_;
};

absl::StatusOr<Script> Script::Parse(absl::string_view name, absl::string_view text,
                                     const Cluster& cluster) {
  return ScriptParser(name, cluster).Parse(text);
}

void Script::Run(absl::Duration elapsed, Model& model, const Log& log) {
  if (events_.empty()) return;
  while (true) {
    while (next_ < events_.size() && round_began_ + events_[next_].at <= elapsed) {
      events_[next_++].action(model, log);
    }
    if (repeat_ == absl::InfiniteDuration() || elapsed < round_began_ + repeat_) return;
    round_began_ += repeat_;
    next_ = 0;
  }
}

}  // namespace outpost::cluster::sim
