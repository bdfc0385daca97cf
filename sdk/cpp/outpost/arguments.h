// How C++ types are arguments of commands.
//
//     C++ type                  in the signature           the handler gets
//     std::string               type=CephString            text
//     int64_t                   type=CephInt               a number
//     double                    type=CephFloat             a number
//     bool                      type=CephBool              true or false
//     ByteSize                  type=CephSize              a number of bytes ("4K")
//     an enum with EnumChoices  type=CephChoices           one of its values
//     std::vector<T>            n=N                        at least one value
//     std::optional<T>          req=false                  nullopt where it is left out
//
// std::optional<std::vector<T>> combines the last two. Another of Ceph's types
// (CephPoolname, CephOsdName, …) is a std::string whose ArgDetails name it. The
// manager has checked what a handler gets. A declaration that can't be meant is
// told when the module starts, by name (CommandSet::status).
#ifndef OUTPOST_SDK_CPP_OUTPOST_ARGUMENTS_H_
#define OUTPOST_SDK_CPP_OUTPOST_ARGUMENTS_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "outpost/byte_size.h"
#include "outpost/json.h"

namespace outpost {

// Specialize it to take an enum as an argument:
//
//     template <>
//     struct outpost::EnumChoices<Color> {
//       static constexpr std::pair<const char*, Color> kChoices[] = {
//           {"red", Color::kRed}, {"green", Color::kGreen}};
//     };
template <typename E>
struct EnumChoices;

namespace internal {

template <typename T>
struct ArgShape {
  using Element = T;
  static constexpr bool kOptional = false;
  static constexpr bool kRepeated = false;
};
template <typename T>
struct ArgShape<std::vector<T>> {
  using Element = T;
  static constexpr bool kOptional = false;
  static constexpr bool kRepeated = true;
};
template <typename T>
struct ArgShape<std::optional<T>> {
  using Element = typename ArgShape<T>::Element;
  static constexpr bool kOptional = true;
  static constexpr bool kRepeated = ArgShape<T>::kRepeated;
};

// What is wrong with `value`: "\"x\" is not an integer".
absl::Status NotA(const Json& value, absl::string_view what);

template <typename T>
struct ArgElement {
  static_assert(std::is_enum_v<T>,
                "an argument is a std::string, int64_t, double, bool, ByteSize, an enum with "
                "EnumChoices, or a std::optional or std::vector of one of these");
  static std::string Type() {
    std::vector<std::string> names;
    for (const auto& choice : EnumChoices<T>::kChoices) names.emplace_back(choice.first);
    return absl::StrCat("CephChoices,strings=", absl::StrJoin(names, "|"));
  }
  static absl::StatusOr<T> FromJson(const Json& value) {
    std::vector<std::string> names;
    for (const auto& [name, choice] : EnumChoices<T>::kChoices) {
      if (value.is_string() && value.get_ref<const std::string&>() == name) return choice;
      names.emplace_back(name);
    }
    return NotA(value, absl::StrCat("one of ", absl::StrJoin(names, ", ")));
  }
};
template <>
struct ArgElement<std::string> {
  static std::string Type() { return "CephString"; }
  static absl::StatusOr<std::string> FromJson(const Json& value);
};
template <>
struct ArgElement<int64_t> {
  static std::string Type() { return "CephInt"; }
  static absl::StatusOr<int64_t> FromJson(const Json& value);
};
template <>
struct ArgElement<double> {
  static std::string Type() { return "CephFloat"; }
  static absl::StatusOr<double> FromJson(const Json& value);
};
template <>
struct ArgElement<bool> {
  static std::string Type() { return "CephBool"; }
  static absl::StatusOr<bool> FromJson(const Json& value);
};
template <>
struct ArgElement<ByteSize> {
  static std::string Type() { return "CephSize"; }
  static absl::StatusOr<ByteSize> FromJson(const Json& value);
};

struct NoBound {};
template <typename E>
using ArgBound = std::conditional_t<std::is_arithmetic_v<E> && !std::is_same_v<E, bool>,
                                    std::optional<E>, NoBound>;

}  // namespace internal

// What there is to say of an argument beside its name and type.
template <typename T>
struct ArgDetails {
  using Element = typename internal::ArgShape<T>::Element;

  internal::ArgBound<Element> min = {};   // numbers: the smallest value allowed
  internal::ArgBound<Element> max = {};   // numbers: the largest; needs `min`
  std::vector<std::string> choices = {};  // texts: the only ones allowed
  std::string goodchars = {};             // texts: a character class, "[A-Za-z0-9-.]"
  std::string type = {};                  // texts: another of Ceph's types, "CephPoolname"
  bool positional = true;                 // false: only as --name
  std::optional<T> default_value = {};    // the argument may be left out, and is this then
};

namespace internal {

template <typename T>
struct ArgSpec {
  std::string name;
  ArgDetails<T> details;
};

// What a declaration says that needs no type: for CheckArg.
struct ArgOutline {
  std::string name;
  bool positional = true;
  bool required = true;
  bool repeated = false;
};

// What is wrong with the words of a declaration; `is_text`: of a std::string.
absl::Status CheckArgWords(absl::string_view name, bool is_text,
                           const std::vector<std::string>& choices, absl::string_view goodchars,
                           absl::string_view type);
// What is wrong with `arg` after `before`: a name twice, one that no caller could
// reach.
absl::Status CheckArgPlace(const ArgOutline& arg, const std::vector<ArgOutline>& before);

// The bounds of a `range`, checked by the manager, and here for a caller that
// goes past it.
template <typename T>
absl::Status CheckBounds(const ArgDetails<T>& details, const typename ArgShape<T>::Element& value) {
  using Element = typename ArgShape<T>::Element;
  if constexpr (!std::is_same_v<ArgBound<Element>, NoBound>) {
    if ((details.min && value < *details.min) || (details.max && value > *details.max)) {
      return absl::InvalidArgumentError(absl::StrCat(
          value, " not in range [", details.min.value_or(std::numeric_limits<Element>::lowest()),
          details.max ? absl::StrCat(", ", *details.max) : "", "]"));
    }
  }
  return absl::OkStatus();
}

// What is wrong with a declaration.
template <typename T>
absl::Status CheckArg(const ArgSpec<T>& spec) {
  using Shape = ArgShape<T>;
  using Element = typename Shape::Element;
  const ArgDetails<T>& d = spec.details;
  absl::Status status = CheckArgWords(spec.name, std::is_same_v<Element, std::string>, d.choices,
                                      d.goodchars, d.type);
  if constexpr (!std::is_same_v<ArgBound<Element>, NoBound>) {
    if (d.max && !d.min) {
      status.Update(absl::InvalidArgumentError("there is a max without a min"));
    } else if (d.max && *d.max < *d.min) {
      status.Update(absl::InvalidArgumentError(
          absl::StrCat("its min, ", *d.min, ", is over its max, ", *d.max)));
    }
  }
  if constexpr (!Shape::kRepeated && !Shape::kOptional) {
    if (d.default_value) {
      status.Update(CheckBounds(d, *d.default_value));
      if constexpr (std::is_same_v<T, std::string>) {
        bool allowed = d.choices.empty();
        for (const std::string& choice : d.choices) allowed = allowed || choice == *d.default_value;
        if (!allowed) {
          status.Update(absl::InvalidArgumentError(
              absl::StrCat("its default, \"", *d.default_value, "\", is none of its choices")));
        }
      }
    }
  }
  return status;
}

// "name=num,type=CephInt,range=1|1000"
template <typename T>
std::string ArgSignature(const ArgSpec<T>& spec) {
  using Shape = ArgShape<T>;
  const ArgDetails<T>& d = spec.details;
  std::string type = ArgElement<typename Shape::Element>::Type();
  if (!d.type.empty()) type = d.type;
  if (!d.choices.empty())
    type = absl::StrCat("CephChoices,strings=", absl::StrJoin(d.choices, "|"));
  std::string text = absl::StrCat("name=", spec.name, ",type=", type);
  if constexpr (!std::is_same_v<ArgBound<typename Shape::Element>, NoBound>) {
    if (d.min) absl::StrAppend(&text, ",range=", *d.min);
    if (d.min && d.max) absl::StrAppend(&text, "|", *d.max);
  }
  if (!d.goodchars.empty()) absl::StrAppend(&text, ",goodchars=", d.goodchars);
  if (Shape::kRepeated) absl::StrAppend(&text, ",n=N");
  if (Shape::kOptional || d.default_value) absl::StrAppend(&text, ",req=false");
  if (!d.positional) absl::StrAppend(&text, ",positional=false");
  return text;
}

template <typename T>
absl::StatusOr<typename ArgShape<T>::Element> ParseElement(const ArgSpec<T>& spec,
                                                           const Json& value) {
  auto element = ArgElement<typename ArgShape<T>::Element>::FromJson(value);
  absl::Status status = element.ok() ? CheckBounds(spec.details, *element) : element.status();
  if (status.ok()) return element;
  return absl::Status(status.code(), absl::StrCat("argument ", spec.name, ": ", status.message()));
}

// Takes one argument out of the command's JSON object.
template <typename T>
absl::StatusOr<T> ParseArg(const ArgSpec<T>& spec, const Json& args) {
  using Shape = ArgShape<T>;
  const auto it = args.find(spec.name);
  if (it == args.end() || it->is_null()) {
    if (spec.details.default_value) return *spec.details.default_value;
    if constexpr (Shape::kOptional) return T();
    return absl::InvalidArgumentError(absl::StrCat("missing required parameter ", spec.name));
  }
  if constexpr (Shape::kRepeated) {
    std::vector<typename Shape::Element> elements;
    const auto add = [&](const Json& value) {
      auto element = ParseElement(spec, value);
      if (!element.ok()) return element.status();
      elements.push_back(*std::move(element));
      return absl::OkStatus();
    };
    if (!it->is_array()) {
      if (absl::Status status = add(*it); !status.ok()) return status;
    } else {
      for (const Json& value : *it) {
        if (absl::Status status = add(value); !status.ok()) return status;
      }
    }
    return T(std::move(elements));
  } else {
    auto element = ParseElement(spec, *it);
    if (!element.ok()) return element.status();
    return T(*std::move(element));
  }
}

}  // namespace internal
}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_ARGUMENTS_H_
