#include "server/command/signature.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/command/char_class.h"
#include "server/command/cli_literals.h"
#include "server/text/nearest.h"

namespace outpost::command {
namespace {

template <typename... Parts>
absl::Status Fault(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// "a=b,c" -> {a: b, c: true}. A comma inside brackets belongs to a character class; one at the
// end means nothing (a command of Ceph's monitor has one).
absl::StatusOr<std::map<std::string, std::string>> SplitDescriptor(absl::string_view text) {
  std::map<std::string, std::string> keys;
  size_t begin = 0;
  bool in_class = false;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '[') in_class = true;
    if (i < text.size() && text[i] == ']') in_class = false;
    if (i < text.size() && (text[i] != ',' || in_class)) continue;
    const absl::string_view part = text.substr(begin, i - begin);
    begin = i + 1;
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    const std::string key(part.substr(0, equals));
    const bool bare = equals == absl::string_view::npos;
    if (key.empty()) return Fault("a key is empty");
    if (!keys.emplace(key, bare ? "true" : std::string(part.substr(equals + 1))).second) {
      return Fault("the key ", key, " stands twice");
    }
  }
  return keys;
}

bool IsWord(absl::string_view text) {
  return absl::ascii_isalnum(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(c) || absl::StrContains("-_.:", absl::string_view(&c, 1));
         });
}

bool IsParamName(absl::string_view text) {
  return !text.empty() && (absl::ascii_isalpha(text.front()) || text.front() == '_') &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; });
}

template <typename T, typename Read>
absl::Status ReadRange(absl::string_view text, Bounds<T>& bounds, Read read) {
  const std::vector<absl::string_view> ends = absl::StrSplit(text, '|');
  if (ends.size() > 2) return Fault("range ", text, " has more than a minimum and a maximum");
  for (size_t i = 0; i < ends.size(); ++i) {
    const std::optional<T> end = read(ends[i]);
    if (!end) return Fault("range ", text, ": \"", ends[i], "\" is not a number of the type");
    (i == 0 ? bounds.min : bounds.max) = end;
  }
  if (bounds.max && *bounds.max < *bounds.min) return Fault("range ", text, " is empty");
  return absl::OkStatus();
}

std::optional<int64_t> ReadInt(absl::string_view text) {
  const auto literal = ParseInteger(text, 10);
  return literal && literal->fits ? std::optional<int64_t>(literal->value) : std::nullopt;
}

absl::Status ReadKey(const std::string& key, const std::string& value, Param& param) {
  const ArgumentType& type = *param.type;
  const auto useless = [&] {
    return Fault("the key ", key, " means nothing for the type ", type.name);
  };
  if (key == "n") {
    param.repeated = value == "N" || value == "n";
    if (!param.repeated && (!absl::SimpleAtoi(value, &param.count) || param.count < 1)) {
      return Fault("n=", value, " is neither N nor a number above 0");
    }
    return absl::OkStatus();
  }
  if (key == "req") {
    // Whatever is not true is false, as Ceph reads it: one of its own commands says "fasle".
    param.required = value == "true" || value == "True";
    return absl::OkStatus();
  }
  if (key == "positional") {
    if (!absl::SimpleAtob(value, &param.positional)) {
      return Fault("positional=", value, " is neither true nor false");
    }
    return absl::OkStatus();
  }
  if (key == "strings" && type.takes_strings) {
    param.choices = absl::StrSplit(value, '|');
    return absl::OkStatus();
  }
  if (type.takes_any_key) return absl::OkStatus();
  if (key == "strings") return useless();
  if (key == "range") {
    if (!type.takes_range) return useless();
    return type.name == "CephInt" ? ReadRange(value, param.int_range, ReadInt)
                                  : ReadRange(value, param.float_range, ParseFloat);
  }
  if (key == "goodchars") {
    if (!type.takes_goodchars) return useless();
    absl::StatusOr<std::bitset<128>> allowed = ParseCharClass(value);
    if (!allowed.ok()) return allowed.status();
    param.goodchars = value;
    param.allowed = *allowed;
    return absl::OkStatus();
  }
  if (key == "prefix") {
    if (!type.takes_prefix) return useless();
    param.prefix = value;
    return absl::OkStatus();
  }
  return Fault("unknown key ", key,
               " (name, type, n, req, range, strings, goodchars, prefix, positional)");
}

absl::StatusOr<Param> ParseParam(absl::string_view text, bool positional) {
  auto keys = SplitDescriptor(text);
  if (!keys.ok()) return keys.status();
  Param param;
  param.positional = positional;
  param.name = (*keys)["name"];
  if (!IsParamName(param.name)) {
    return Fault("its name must be letters, digits, _ and -");
  }
  if (param.name == "prefix") return Fault("a parameter cannot be called prefix");
  const std::string type = (*keys)["type"];
  if (type.empty()) return Fault("it has no type");
  param.type = FindArgumentType(type);
  if (param.type == nullptr) {
    std::vector<std::string> near = text::Nearest(type, ArgumentTypeNames(), 1);
    return Fault("unknown type ", type, near.empty() ? "" : absl::StrCat("; nearest: ", near[0]));
  }
  for (const auto& [key, value] : *keys) {
    if (key == "name" || key == "type") continue;
    if (absl::Status read = ReadKey(key, value, param); !read.ok()) return read;
  }
  if (!param.positional && absl::StrContains(param.name, "-")) {
    return Fault("a parameter that is given by name only is called with _ for each -");
  }
  if (param.is("CephChoices") && keys->count("strings") == 0) {
    return Fault("CephChoices wants strings=a|b");
  }
  return param;
}

}  // namespace

absl::StatusOr<Signature> Signature::Parse(absl::string_view text) {
  const auto fault = [&](const auto&... parts) {
    return Fault("signature \"", text, "\": ", absl::StrCat(parts...));
  };
  Signature signature;
  bool positional = true;
  for (const absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \t\r\n\f\v"), absl::SkipEmpty())) {
    if (word == "--") {
      positional = false;
      continue;
    }
    if (word.find_first_of(",=") == absl::string_view::npos) {
      if (!IsWord(word)) {
        return fault("the word \"", word,
                     "\" may have letters, digits, and - _ . : after the first, nothing else");
      }
      if (!signature.params_.empty() || !positional) {
        return fault("the word \"", word, "\" stands after a parameter");
      }
      signature.words_.emplace_back(word);
      continue;
    }
    absl::StatusOr<Param> param = ParseParam(word, positional);
    if (!param.ok()) return fault("\"", word, "\": ", param.status().message());
    for (const Param& other : signature.params_) {
      if (other.name == param->name) return fault("two parameters are called ", other.name);
    }
    signature.params_.push_back(*std::move(param));
  }
  if (signature.words_.empty()) return fault("it has no literal word");
  signature.prefix_ = absl::StrJoin(signature.words_, " ");
  return signature;
}

std::string Signature::Usage() const {
  std::string usage = prefix_;
  for (const Param& param : params_) {
    const std::string shown = absl::StrCat(param.type->usage(param), param.repeated ? "..." : "");
    absl::StrAppend(&usage, " ", param.required ? shown : absl::StrCat("[", shown, "]"));
  }
  return usage;
}

}  // namespace outpost::command
