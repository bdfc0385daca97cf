#include "outpost/options.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace outpost {
namespace internal {
namespace {

template <typename Integer>
std::optional<Integer> ParseInteger(absl::string_view text) {
  Integer value = 0;
  if (!absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

std::optional<double> ParseDouble(absl::string_view text) {
  double value = 0;
  if (!absl::SimpleAtod(text, &value)) return std::nullopt;
  return value;
}

// The shortest text that reads as the same number.
std::string DoubleText(double value) {
  for (int digits : {6, 15, 17}) {
    std::string text = absl::StrFormat("%.*g", digits, value);
    if (ParseDouble(text) == value) return text;
  }
  return absl::StrCat(value);
}

}  // namespace

std::string OptionTraits<std::string>::ToText(const std::string& value) { return value; }
std::optional<std::string> OptionTraits<std::string>::FromText(absl::string_view t) {
  return std::string(t);
}

std::string OptionTraits<int64_t>::ToText(const int64_t& value) { return absl::StrCat(value); }
std::optional<int64_t> OptionTraits<int64_t>::FromText(absl::string_view t) {
  return ParseInteger<int64_t>(t);
}

std::string OptionTraits<uint64_t>::ToText(const uint64_t& value) { return absl::StrCat(value); }
std::optional<uint64_t> OptionTraits<uint64_t>::FromText(absl::string_view t) {
  return ParseInteger<uint64_t>(t);
}

std::string OptionTraits<double>::ToText(const double& value) { return DoubleText(value); }
std::optional<double> OptionTraits<double>::FromText(absl::string_view t) { return ParseDouble(t); }

std::string OptionTraits<bool>::ToText(const bool& value) { return value ? "true" : "false"; }
std::optional<bool> OptionTraits<bool>::FromText(absl::string_view t) {
  if (t == "true") return true;
  if (t == "false") return false;
  return std::nullopt;
}

std::string OptionTraits<ByteSize>::ToText(const ByteSize& value) {
  return absl::StrCat(value.bytes);
}
std::optional<ByteSize> OptionTraits<ByteSize>::FromText(absl::string_view t) {
  const auto bytes = ParseInteger<uint64_t>(t);
  if (!bytes) return std::nullopt;
  return ByteSize{*bytes};
}

std::string OptionTraits<absl::Duration>::ToText(const absl::Duration& value) {
  return DoubleText(absl::ToDoubleSeconds(value));
}
std::optional<absl::Duration> OptionTraits<absl::Duration>::FromText(absl::string_view t) {
  const auto seconds = ParseDouble(t);
  if (!seconds) return std::nullopt;
  return absl::Seconds(*seconds);
}

absl::Status CheckDeclaration(const OptionDeclaration& d) {
  const auto wrong = [](const auto&... what) {
    return absl::InvalidArgumentError(absl::StrCat(what...));
  };
  const bool name_fits = std::all_of(d.name.begin(), d.name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::StrContains("_-.", absl::string_view(&c, 1));
  });
  if (d.name.empty() || !name_fits) {
    return wrong("its name is not made of letters, digits, '_', '-' and '.'");
  }
  const bool number = d.type == OptionType::kInt || d.type == OptionType::kUint ||
                      d.type == OptionType::kFloat || d.type == OptionType::kSize ||
                      d.type == OptionType::kSecs;
  if (!number && (d.min || d.max)) return wrong("only numbers have a min and a max");
  const auto below = [](const std::optional<std::string>& a, const std::optional<std::string>& b) {
    // As long doubles 64-bit integers are exact.
    return a && b && std::strtold(a->c_str(), nullptr) < std::strtold(b->c_str(), nullptr);
  };
  if (below(d.max, d.min)) return wrong("its min, ", *d.min, ", is over its max, ", *d.max);
  if (number && (below(d.default_value, d.min) || below(d.max, d.default_value))) {
    return wrong("its default, ", *d.default_value, ", is not between its min and max");
  }
  if (d.default_value && !d.choices.empty() &&
      std::find(d.choices.begin(), d.choices.end(), *d.default_value) == d.choices.end()) {
    return wrong("its default, \"", *d.default_value, "\", is none of its choices");
  }
  return absl::OkStatus();
}

std::vector<std::string> OptionValues::Configure(absl::string_view instance,
                                                 const std::vector<Update>& updates) {
  std::vector<std::string> changed;
  absl::MutexLock lock(&mu_);
  if (instance_ != instance) {
    instance_ = std::string(instance);
    for (auto& [name, entry] : entries_) entry.revision = 0;
  }
  for (const Update& update : updates) {
    if (Take(update)) changed.push_back(update.name);
  }
  return changed;
}

void OptionValues::Apply(const std::vector<Update>& updates) {
  absl::MutexLock lock(&mu_);
  for (const Update& update : updates) Take(update);
}

void OptionValues::ApplyAnswer(absl::string_view instance, const Update& update) {
  absl::MutexLock lock(&mu_);
  if (instance_ == instance) Take(update);
}

bool OptionValues::Take(const Update& update) {
  const auto [it, is_new] = entries_.try_emplace(update.name);
  Entry& entry = it->second;
  if (update.revision < entry.revision) return false;
  const bool changed = is_new || entry.value != update.value;
  entry = {update.value, update.revision};
  return changed;
}

std::optional<std::string> OptionValues::Get(absl::string_view name) const {
  absl::MutexLock lock(&mu_);
  const auto it = entries_.find(std::string(name));
  return it == entries_.end() ? std::nullopt : it->second.value;
}

}  // namespace internal

OptionSet::OptionSet() : values_(std::make_shared<internal::OptionValues>()) {
  const std::vector<std::string> levels = {"", "debug", "info", "warning", "error", "critical"};
  Add<std::string>("log_level", "",
                   "how grave a line of this module must be to be logged; empty: info",
                   {.choices = levels});
  Add<bool>("log_to_file", false, "write the module's log to a file of its own");
  Add<bool>("log_to_cluster", false, "write the module's log to the cluster log, too");
  Add<std::string>("log_to_cluster_level", "info",
                   "how grave a line must be to be written to the cluster log",
                   {.choices = levels});
}

absl::Status OptionSet::status() const {
  std::set<absl::string_view> names;
  for (const auto& declaration : declarations_) {
    absl::Status status = internal::CheckDeclaration(declaration);
    if (!names.insert(declaration.name).second) {
      status = absl::InvalidArgumentError("it is declared twice");
    }
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("option \"", declaration.name, "\": ", status.message()));
    }
  }
  return absl::OkStatus();
}

const internal::OptionDeclaration* OptionSet::Find(absl::string_view name) const {
  for (const auto& declaration : declarations_) {
    if (declaration.name == name) return &declaration;
  }
  return nullptr;
}

void OptionSet::RunCallbacks(const std::vector<std::string>& names) const {
  for (const std::string& name : names) {
    const auto [begin, end] = callbacks_.equal_range(name);
    for (auto it = begin; it != end; ++it) it->second();
  }
}

void OptionSet::Declare(internal::OptionDeclaration declaration,
                        std::optional<std::string> default_value) {
  declaration.default_value = std::move(default_value);
  declarations_.push_back(std::move(declaration));
}

}  // namespace outpost
