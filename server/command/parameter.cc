#include "server/command/parameter.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/command/address_syntax.h"
#include "server/command/cli_literals.h"

namespace outpost::command {
namespace {

using nlohmann::json;
using Value = absl::StatusOr<json>;

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

json Text(absl::string_view word) { return std::string(word); }

// "[0, 10]", "[0-10]", "[0-]"; T's own text by `show`.
template <typename T, typename Show>
std::string ShowBounds(const Bounds<T>& bounds, absl::string_view between, Show show) {
  std::string out = absl::StrCat("[", show(*bounds.min));
  if (bounds.max) {
    absl::StrAppend(&out, between, show(*bounds.max));
  } else if (between == "-") {
    out += "-";
  }
  return out + "]";
}

std::string ShowInt(int64_t value) { return absl::StrCat(value); }

template <typename T, typename Show>
Value InBounds(T value, const Bounds<T>& bounds, Show show) {
  if (bounds.min && (value < *bounds.min || (bounds.max && value > *bounds.max))) {
    return Wrong(show(value), " not in range ", ShowBounds(bounds, ", ", show));
  }
  return json(value);
}

Value ParseInt(const Param& param, absl::string_view word) {
  const auto literal = ParseInteger(word, 0);
  if (!literal) return Wrong(word, " doesn't represent an int");
  if (!literal->fits) return Wrong(word, " doesn't fit a 64-bit int");
  return InBounds(literal->value, param.int_range, ShowInt);
}

Value ParseFloatWord(const Param& param, absl::string_view word) {
  const auto value = ParseFloat(word);
  if (!value) return Wrong(word, " doesn't represent a float");
  return InBounds(*value, param.float_range, FormatFloat);
}

Value ParseBool(const Param&, absl::string_view word) {
  if (absl::EqualsIgnoreCase(word, "true") || word == "1") return json(true);
  if (absl::EqualsIgnoreCase(word, "false") || word == "0") return json(false);
  return Wrong(word, " not one of 'true', 'false'");
}

// Ceph refuses all but printable ASCII here; a name in another script is as good.
bool IsPrintable(unsigned char c) {
  return c >= 0x80 || absl::ascii_isprint(c) || absl::ascii_isspace(c);
}

Value ParseString(const Param& param, absl::string_view word) {
  std::string refused;
  bool in_refused = false;  // the rest of a multi-byte character goes with its first byte
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xc0) == 0x80;
    if (continues) {
      if (in_refused) refused.push_back(c);
      continue;
    }
    const bool good =
        param.goodchars.empty() ? IsPrintable(byte) : byte < 128 && param.allowed[byte];
    in_refused = !good && (byte >= 128 || !absl::StrContains(refused, absl::string_view(&c, 1)));
    if (in_refused) refused.push_back(c);
  }
  if (!refused.empty()) return Wrong("invalid chars ", refused, " in ", word);
  return Text(word);
}

Value ParseChoice(const Param& param, absl::string_view word) {
  if (std::find(param.choices.begin(), param.choices.end(), std::string(word)) ==
      param.choices.end()) {
    return Wrong(word, " not in ", absl::StrJoin(param.choices, "|"));
  }
  return Text(word);
}

Value ParseAny(const Param&, absl::string_view word) { return Text(word); }

Value ParsePath(const Param& param, absl::string_view word) {
  // A path of the caller's machine: whether it exists is not for the manager to say.
  if (word.empty()) return Wrong(param.name, " is an empty path");
  return Text(word);
}

Value ParsePgid(const Param&, absl::string_view word) {
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(word, absl::MaxSplits('.', 1));
  if (!absl::StrContains(word, ".")) return Wrong("pgid has no .");
  const auto pool = ParseInteger(halves.first, 10);
  if (!pool) return Wrong("pool ", halves.first, " not integer");
  if (pool->negative && (pool->value != 0 || !pool->fits)) {
    return Wrong("pool ", pool->value, " < 0");
  }
  if (!ParseInteger(halves.second, 16)) return Wrong("pgnum ", halves.second, " not hex integer");
  return Text(word);
}

Value ParseName(const Param&, absl::string_view word) {
  if (word == "*" || word == "mgr" || word == "mon") return Text(word);
  if (!absl::StrContains(word, ".")) return Wrong("CephName: no . in ", word);
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(word, absl::MaxSplits('.', 1));
  const auto& [type, id] = halves;
  if (type != "osd" && type != "mon" && type != "client" && type != "mds" && type != "mgr") {
    return Wrong("unknown type ", type);
  }
  if (type == "osd" && id != "*" && !ParseInteger(id, 10)) {
    return Wrong("osd id ", id, " not integer");
  }
  return Text(word);
}

Value ParseOsdName(const Param&, absl::string_view word) {
  if (word == "*") return Text(word);
  absl::string_view id = word;
  if (absl::StrContains(word, ".")) {
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(word, absl::MaxSplits('.', 1));
    if (halves.first != "osd") return Wrong("unknown type ", halves.first);
    id = halves.second;
  }
  const auto literal = ParseInteger(id, 10);
  if (!literal) return Wrong("osd id ", id, " not integer");
  if (!literal->fits) return Wrong("osd id ", id, " doesn't fit a 64-bit int");
  if (literal->value < 0) return Wrong("osd id ", literal->value, " is less than 0");
  return json(literal->value);
}

Value ParseUuid(const Param&, absl::string_view word) {
  std::string digits = absl::StrReplaceAll(word, {{"urn:", ""}, {"uuid:", ""}, {"-", ""}});
  digits.erase(
      std::remove_if(digits.begin(), digits.end(), [](char c) { return c == '{' || c == '}'; }),
      digits.end());
  if (digits.size() != 32) {
    return Wrong("invalid UUID ", word, ": badly formed hexadecimal UUID string");
  }
  if (!std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit)) {
    return Wrong("invalid UUID ", word, ": not hexadecimal");
  }
  return Text(word);
}

Value ParseIpAddress(const Param&, absl::string_view word) {
  if (auto fault = IpAddressFault(word); !fault.empty()) return Wrong(fault);
  return Text(WithoutProtocol(word));
}

Value ParseEntityAddress(const Param&, absl::string_view word) {
  if (auto fault = EntityAddressFault(word); !fault.empty()) return Wrong(fault);
  return Text(word);
}

Value ParseFragment(const Param&, absl::string_view word) {
  const std::vector<absl::string_view> halves = absl::StrSplit(word, '/');
  if (halves.size() != 2) return Wrong(word, halves.size() < 2 ? ": no /" : ": more than one /");
  if (!absl::StartsWith(halves[0], "0x")) return Wrong(halves[0], " not a hex integer");
  for (const auto& [text, base] : {std::pair{halves[0], 16}, std::pair{halves[1], 10}}) {
    if (!ParseInteger(text, base)) return Wrong("can't convert ", text, " to integer");
  }
  return Text(word);
}

Value ParsePrefix(const Param& param, absl::string_view word) {
  if (word != param.prefix) return Wrong("no match for ", word);
  return Text(word);
}

// Bytes: a number with one of B, K, M, G, T, P, E after it, perhaps with an "i" ("4Ki").
Value ParseSize(const Param&, absl::string_view word) {
  constexpr absl::string_view kUnits = "BKMGTPE";
  absl::string_view digits = word;
  int shift = 0;
  if (absl::EndsWithIgnoreCase(digits, "i")) digits.remove_suffix(1);
  if (!digits.empty()) {
    const size_t unit = kUnits.find(absl::ascii_toupper(digits.back()));
    if (unit != absl::string_view::npos) {
      shift = static_cast<int>(unit) * 10;
      digits.remove_suffix(1);
    }
  }
  const bool has_i = digits.size() < word.size() && absl::EndsWithIgnoreCase(word, "i");
  const auto literal = ParseInteger(digits, 10);
  if (!literal || literal->negative || (has_i && shift == 0)) {
    return Wrong(word, " doesn't represent a size (a number, with K, M, G, T, P or E after it)");
  }
  if (!literal->fits || literal->value > (INT64_MAX >> shift)) {
    return Wrong(word, " doesn't fit 64 bits");
  }
  return json(literal->value << shift);
}

std::string Choices(const Param& param) { return absl::StrJoin(param.choices, "|"); }

std::string DescribeInt(const Param& param) {
  return absl::StrCat("<int", param.int_range.min ? ShowBounds(param.int_range, "-", ShowInt) : "",
                      ">");
}

std::string DescribeFloat(const Param& param) {
  return absl::StrCat(
      "<float", param.float_range.min ? ShowBounds(param.float_range, "-", FormatFloat) : "", ">");
}

std::string DescribeString(const Param& param) {
  if (param.goodchars.empty()) return "<string>";
  return absl::StrCat("<string(goodchars ", param.goodchars, ")>");
}

// What a type that always looks the same looks like.
#define OUTPOST_ALWAYS(text) [](const Param&) { return std::string(text); }

std::string NamedUsage(const Param& param) {
  return param.positional ? absl::StrCat("<", param.name, ">")
                          : absl::StrCat("--", param.name, " <value>");
}

std::string TypedUsage(const Param& param, absl::string_view type) {
  return param.positional ? absl::StrCat("<", param.name, ":", type, ">")
                          : absl::StrCat("--", param.name, " <", type, ">");
}
std::string IntUsage(const Param& param) { return TypedUsage(param, "int"); }
std::string FloatUsage(const Param& param) { return TypedUsage(param, "float"); }

std::string BoolUsage(const Param& param) {
  return absl::StrCat("--", absl::StrReplaceAll(param.name, {{"_", "-"}}));
}

std::string ChoicesUsage(const Param& param) {
  // A parameter of this name is given by name, whatever the signature says.
  if (param.positional && param.name != "format") return Choices(param);
  return absl::StrCat("--", param.name, " {", Choices(param), "}");
}

std::string PlaceholderUsage(const Param& param, absl::string_view placeholder) {
  return param.positional ? std::string(placeholder)
                          : absl::StrCat("--", param.name, " ", placeholder);
}
std::string OsdNameUsage(const Param& param) { return PlaceholderUsage(param, "<id|osd.id>"); }
std::string NameUsage(const Param& param) { return PlaceholderUsage(param, "<type.id>"); }

std::string PrefixText(const Param& param) { return param.prefix; }

constexpr ArgumentType kTypes[] = {
    {.name = "CephInt",
     .parse = ParseInt,
     .describe = DescribeInt,
     .usage = IntUsage,
     .takes_range = true},
    {.name = "CephFloat",
     .parse = ParseFloatWord,
     .describe = DescribeFloat,
     .usage = FloatUsage,
     .takes_range = true},
    {.name = "CephBool",
     .parse = ParseBool,
     .describe = OUTPOST_ALWAYS("<bool>"),
     .usage = BoolUsage,
     .takes_any_key = true},
    {.name = "CephString",
     .parse = ParseString,
     .describe = DescribeString,
     .usage = NamedUsage,
     .takes_goodchars = true},
    {.name = "CephChoices",
     .parse = ParseChoice,
     .describe = Choices,
     .usage = ChoicesUsage,
     .takes_strings = true,
     .takes_any_key = true},
    {.name = "CephPoolname",
     .parse = ParseAny,
     .describe = OUTPOST_ALWAYS("<poolname>"),
     .usage = NamedUsage},
    {.name = "CephObjectname",
     .parse = ParseAny,
     .describe = OUTPOST_ALWAYS("<objectname>"),
     .usage = NamedUsage},
    {.name = "CephPgid",
     .parse = ParsePgid,
     .describe = OUTPOST_ALWAYS("<pgid>"),
     .usage = NamedUsage},
    {.name = "CephName",
     .parse = ParseName,
     .describe = OUTPOST_ALWAYS("<name (type.id)>"),
     .usage = NameUsage},
    {.name = "CephOsdName",
     .parse = ParseOsdName,
     .describe = OUTPOST_ALWAYS("<osdname (id|osd.id)>"),
     .usage = OsdNameUsage},
    {.name = "CephUUID",
     .parse = ParseUuid,
     .describe = OUTPOST_ALWAYS("<uuid>"),
     .usage = NamedUsage},
    {.name = "CephIPAddr",
     .parse = ParseIpAddress,
     .describe = OUTPOST_ALWAYS("<IPaddr[:port]>"),
     .usage = NamedUsage},
    {.name = "CephEntityAddr",
     .parse = ParseEntityAddress,
     .describe = OUTPOST_ALWAYS("<EntityAddr>"),
     .usage = NamedUsage},
    {.name = "CephSocketpath",
     .parse = ParsePath,
     .describe = OUTPOST_ALWAYS("<admin-socket-path>"),
     .usage = NamedUsage},
    {.name = "CephFilepath",
     .parse = ParsePath,
     .describe = OUTPOST_ALWAYS("<outfilename>"),
     .usage = NamedUsage},
    {.name = "CephFragment",
     .parse = ParseFragment,
     .describe = OUTPOST_ALWAYS("<CephFS fragment ID (0xvvv/bbb)>"),
     .usage = NamedUsage},
    {.name = "CephPrefix",
     .parse = ParsePrefix,
     .describe = PrefixText,
     .usage = PrefixText,
     .takes_prefix = true},
    {.name = "CephSize",
     .parse = ParseSize,
     .describe = OUTPOST_ALWAYS("<size>"),
     .usage = NamedUsage},
};

#undef OUTPOST_ALWAYS

}  // namespace

const ArgumentType* FindArgumentType(absl::string_view name) {
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const ArgumentType& type) { return type.name == name; });
  return found == std::end(kTypes) ? nullptr : found;
}

std::vector<std::string> ArgumentTypeNames() {
  std::vector<std::string> names;
  for (const ArgumentType& type : kTypes) names.emplace_back(type.name);
  return names;
}

std::string Param::ToString() const {
  std::string text = type->describe(*this);
  const bool bare = is("CephPrefix") || (is("CephChoices") && choices.size() == 1);
  if (!bare) text = absl::StrCat(name, "(", text, ")", repeated ? "..." : "");
  return required ? text : absl::StrCat("[", text, "]");
}

}  // namespace outpost::command
