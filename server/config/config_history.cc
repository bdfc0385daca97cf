#include "server/config/config_history.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace outpost::config {
namespace {

constexpr char kPrefix[] = "config-history/";
constexpr size_t kLongestValue = 4096;  // bytes

std::string Key(uint64_t number) { return absl::StrFormat("%s%020d", kPrefix, number); }

// Cuts long text between two UTF-8 characters.
void Cut(std::string& text) {
  if (text.size() <= kLongestValue) return;
  size_t end = kLongestValue;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text = absl::StrCat(text.substr(0, end), "… (", text.size(), " bytes)");
}

}  // namespace

ConfigHistory::ConfigHistory(store::StateStore& store) : store_(store) {
  watch_ = store_.Watch(kPrefix, [this](const store::Change& change) { Apply(change); });
  for (auto& [key, value] : store_.List(kPrefix)) Apply({key, std::move(value)});
}

void ConfigHistory::Apply(const store::Change& change) {
  absl::string_view digits = change.key;
  uint64_t number = 0;
  if (!absl::ConsumePrefix(&digits, kPrefix) || !absl::SimpleAtoi(digits, &number)) return;
  absl::MutexLock lock(&mu_);
  last_ = std::max(last_, number);
  if (change.value) {
    stored_.insert(number);
  } else {
    stored_.erase(number);
  }
}

void ConfigHistory::Append(v1::ConfigChange change, store::Batch& batch) {
  if (change.has_old_value()) Cut(*change.mutable_old_value());
  if (change.has_new_value()) Cut(*change.mutable_new_value());
  absl::MutexLock lock(&mu_);
  const std::string key = Key(++last_);
  batch.conditions.push_back({key, std::nullopt});
  batch.changes.push_back({key, change.SerializeAsString()});
  auto oldest = stored_.begin();
  for (size_t count = stored_.size(); count >= kKept; --count, ++oldest) {
    batch.changes.push_back({Key(*oldest), std::nullopt});
  }
}

std::vector<v1::ConfigChange> ConfigHistory::Read(size_t limit) const {
  std::vector<uint64_t> numbers;
  {
    absl::MutexLock lock(&mu_);
    for (auto it = stored_.rbegin();
         it != stored_.rend() && numbers.size() < std::min(limit, kKept); ++it) {
      numbers.push_back(*it);
    }
  }
  std::vector<v1::ConfigChange> changes;
  for (uint64_t number : numbers) {
    const auto value = store_.Get(Key(number));
    v1::ConfigChange change;
    if (value && change.ParseFromString(*value)) changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace outpost::config
