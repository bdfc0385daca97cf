// Signature's reading of words, as Ceph's command line does it. The rules that
// surprise, and that scripts depend on:
// - a --name value counts wherever it stands, and may name any parameter; the
//   parameter still takes a word by position when its turn comes, which then wins;
// - an optional parameter that does not like a word passes it on to the next one;
//   a required one fails;
// - a repeated parameter takes all that is left; unless it is a CephString, each word
//   may hold several values with commas between.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/command/cli_literals.h"
#include "server/command/signature.h"

namespace outpost::command {
namespace {

using nlohmann::json;

absl::Status Invalid(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("Invalid command: ", what));
}

// The values in `word`, one unless the parameter takes a list.
absl::StatusOr<std::vector<json>> ValuesOf(const Param& param, absl::string_view word,
                                           bool by_name) {
  std::vector<json> values;
  const bool list = param.repeated && (by_name || !param.is("CephString"));
  const auto add = [&](absl::string_view text) {
    absl::StatusOr<json> value = param.type->parse(param, text);
    if (!value.ok()) return value.status();
    values.push_back(*std::move(value));
    return absl::OkStatus();
  };
  if (!list) {
    if (absl::Status added = add(word); !added.ok()) return added;
    return values;
  }
  for (const absl::string_view part : absl::StrSplit(word, ',')) {
    if (absl::Status added = add(part); !added.ok()) return added;
  }
  return values;
}

// Confirmations that old commands declare as strings: values, though they look like options.
bool IsConfirmation(absl::string_view word) {
  return word == "--force" || word == "--yes-i-really-mean-it" ||
         word == "--yes-i-really-really-mean-it" ||
         word == "--yes-i-really-really-mean-it-not-faking";
}

// Whether `given` names the parameter: "-" is as good as "_". A parameter whose own name has a
// "-" cannot be named: commands of Ceph's count on "--yes-i-really-mean-it" being the value then.
bool Names(absl::string_view given, const Param& param) {
  return !param.is("CephPrefix") &&
         std::equal(given.begin(), given.end(), param.name.begin(), param.name.end(),
                    [](char a, char b) { return (a == '-' ? '_' : a) == b; });
}

// One pass over the words.
class WordReader {
 public:
  // `legacy_dashes`: words that begin with -- may be values of any parameter.
  WordReader(const std::vector<Param>& params, const std::vector<std::string>& args,
             bool legacy_dashes)
      : params_(params), args_(args), legacy_dashes_(legacy_dashes), progress_(params.size()) {
    for (size_t i = 0; i < params.size(); ++i) progress_[i].limit = params[i].count;
  }

  // Reads everything. The object, or what Ceph's command line would say.
  absl::StatusOr<json> ReadAll() {
    for (size_t i = 0; i < params_.size(); ++i) {
      if (absl::Status read = ReadPosition(i); !read.ok()) return read;
    }
    if (next_ < args_.size()) return Unused();
    for (const Param& param : params_) {
      if (absl::Status complete = CheckCount(param); !complete.ok()) return complete;
    }
    return std::move(values_);
  }

  // Reads what there is and tells what could follow.
  Signature::Expected ReadForCompletion() {
    Signature::Expected expected;
    for (size_t i = 0; i < params_.size(); ++i) {
      const absl::Status read = ReadPosition(i);
      if (dangling_ != nullptr) {
        expected.value_of = dangling_;
        return expected;
      }
      if (next_ < args_.size() && read.ok()) continue;
      if (!read.ok() && !starved_) return {};
      // Out of words here: this parameter comes next, and those after it up to the first
      // that cannot be skipped.
      for (size_t next = i; next < params_.size(); ++next) {
        const Param& param = params_[next];
        if (!param.positional || IsComplete(param)) continue;
        expected.positional.push_back(&param);
        if (param.required) break;
      }
      break;
    }
    if (next_ < args_.size()) return {};
    for (const Param& param : params_) {
      if (!values_.contains(param.name) && Names(param.name, param))
        expected.named.push_back(&param);
    }
    return expected;
  }

 private:
  struct Progress {
    int seen = 0;
    int limit = 1;
  };

  // What became of a word that may be --name or --name=value.
  enum class Named { kNo, kTaken };

  absl::StatusOr<Named> ReadNamed(absl::string_view word) {
    if (!absl::ConsumePrefix(&word, "--")) return Named::kNo;
    const size_t equals = word.find('=');
    const absl::string_view name = word.substr(0, equals);
    const auto found = std::find_if(params_.begin(), params_.end(),
                                    [&](const Param& param) { return Names(name, param); });
    if (found == params_.end()) return Named::kNo;
    std::string value;
    if (equals != absl::string_view::npos && equals + 1 < word.size()) {
      value = std::string(word.substr(equals + 1));
    } else if (found->is("CephBool")) {
      value = "true";
    } else if (next_ < args_.size()) {
      value = args_[next_++];
    } else {
      dangling_ = &*found;
      return Named::kNo;
    }
    auto values = ValuesOf(*found, value, /*by_name=*/true);
    if (!values.ok()) return Invalid(values.status().message());
    Keep(static_cast<size_t>(found - params_.begin()), *std::move(values));
    return Named::kTaken;
  }

  // Reads the words that come while parameter `i` has its turn.
  absl::Status ReadPosition(size_t i) {
    const Param& param = params_[i];
    Progress& progress = progress_[i];
    progress.seen = 0;
    if (!param.repeated && param.count > 1 && values_.contains(param.name)) {
      progress.seen = static_cast<int>(values_[param.name].size());
    }
    while (progress.seen < progress.limit) {
      if (next_ == args_.size()) return Starved(i);
      const std::string& word = args_[next_++];
      absl::StatusOr<Named> named = ReadNamed(word);
      if (!named.ok()) return named.status();
      if (*named == Named::kTaken) continue;
      if (!param.positional) {
        if (absl::StartsWith(word, "--")) return Unexpected(word);
        --next_;
        return param.required && !values_.contains(param.name) ? Missing(param) : absl::OkStatus();
      }
      if (absl::StartsWith(word, "--") && !MayTakeDashes(param, word)) return Unexpected(word);
      auto values = ValuesOf(param, word, /*by_name=*/false);
      if (values.ok()) {
        refused_.clear();
        Keep(i, *std::move(values));
        continue;
      }
      const absl::string_view fault = values.status().message();
      if (param.required) return Invalid(fault);
      // Ceph would pass a bad choice on like any other word, and then say only that it was
      // unused, or unfit for the parameter that got it; the choices say more.
      if (param.is("CephChoices") && !LaterAccepts(i, word)) {
        return absl::StartsWith(word, "--") ? Unexpected(word) : Invalid(fault);
      }
      refused_ = absl::StrCat(word, " not valid:  ", fault);
      --next_;
      return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  bool IsComplete(const Param& param) const {
    if (param.repeated || !values_.contains(param.name)) return false;
    return param.count == 1 || values_[param.name].size() >= static_cast<size_t>(param.count);
  }

  bool MayTakeDashes(const Param& param, absl::string_view word) const {
    return param.is("CephChoices") || legacy_dashes_ || IsConfirmation(word);
  }

  bool LaterAccepts(size_t i, absl::string_view word) const {
    for (size_t later = i + 1; later < params_.size(); ++later) {
      const Param& param = params_[later];
      if (!param.positional) continue;
      if (absl::StartsWith(word, "--") && !MayTakeDashes(param, word)) continue;
      if (ValuesOf(param, word, /*by_name=*/false).ok()) return true;
    }
    return false;
  }

  void Keep(size_t i, std::vector<json> values) {
    const Param& param = params_[i];
    ++progress_[i].seen;
    if (param.repeated) progress_[i].limit = progress_[i].seen + 1;
    if (!param.takes_many()) {
      values_[param.name] = std::move(values.back());
      return;
    }
    json& kept = values_[param.name];
    for (json& value : values) kept.push_back(std::move(value));
  }

  // No word is left for parameter `i`.
  absl::Status Starved(size_t i) {
    const Param& param = params_[i];
    if (!param.required || values_.contains(param.name)) return absl::OkStatus();
    starved_ = true;
    if (param.repeated) {
      return Invalid(absl::StrCat("saw 0 of ", param.ToString(), ", expected at least 1"));
    }
    if (param.count == 1) return Missing(param);
    return Invalid(absl::StrCat("saw 0 of ", param.ToString(), ", expected ", param.count));
  }

  // That a parameter with n=2 has two values.
  absl::Status CheckCount(const Param& param) const {
    if (param.repeated || param.count == 1 || !values_.contains(param.name)) {
      return absl::OkStatus();
    }
    const size_t seen = values_[param.name].size();
    if (seen == static_cast<size_t>(param.count)) return absl::OkStatus();
    return Invalid(
        absl::StrCat("saw ", seen, " of ", param.ToString(), ", expected ", param.count));
  }

  static absl::Status Missing(const Param& param) {
    return Invalid(absl::StrCat("missing required parameter ", param.ToString()));
  }
  static absl::Status Unexpected(absl::string_view word) {
    return Invalid(absl::StrCat("Unexpected argument '", word, "'"));
  }

  absl::Status Unused() const {
    const std::vector<std::string> left(args_.begin() + static_cast<std::ptrdiff_t>(next_),
                                        args_.end());
    return absl::InvalidArgumentError(
        absl::StrCat(refused_, refused_.empty() ? "" : "\n",
                     "Invalid command: unused arguments: ", FormatList(left)));
  }

  const std::vector<Param>& params_;
  const std::vector<std::string>& args_;
  const bool legacy_dashes_;
  std::vector<Progress> progress_;
  size_t next_ = 0;
  json values_ = json::object();
  std::string refused_;              // what the last parameter that passed a word on disliked
  bool starved_ = false;             // the words ended before a required parameter had its own
  const Param* dangling_ = nullptr;  // the last word was --name without its value
};

}  // namespace

absl::StatusOr<json> Signature::ParseWords(const std::vector<std::string>& args) const {
  return WordReader(params_, args, words_.front() == "injectargs").ReadAll();
}

Signature::Expected Signature::ExpectAfter(const std::vector<std::string>& args) const {
  return WordReader(params_, args, words_.front() == "injectargs").ReadForCompletion();
}

size_t Signature::CountMatched(const std::vector<std::string>& args) const {
  size_t matched = 0;
  size_t next = 0;
  for (const Param& param : params_) {
    if (!param.positional) continue;
    for (int seen = 0; param.repeated || seen < param.count; ++seen) {
      if (next == args.size()) return matched + (param.required && param.repeated && seen > 0);
      if (!ValuesOf(param, args[next], /*by_name=*/false).ok()) {
        if (param.required) return matched;
        break;
      }
      ++next;
    }
    matched += param.required;
  }
  return matched;
}

}  // namespace outpost::command
