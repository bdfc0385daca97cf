#include "server/config/config_history.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace outpost::config {
namespace {

constexpr char kPrefix[] = "config-log/";
constexpr char kForgotten[] = "config-log-forgotten";  // the highest version that is
constexpr size_t kLongestValue = 4096;                 // bytes that people are shown

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
  if (auto it = stored_.find(number); it != stored_.end()) {
    stored_bytes_ -= it->second;
    stored_.erase(it);
  }
  if (!change.value) return;
  stored_.emplace(number, change.value->size());
  stored_bytes_ += change.value->size();
}

void ConfigHistory::Append(const std::vector<v1::ConfigChange>& changes, store::Batch& batch) {
  v1::ConfigHistoryResponse stored;
  for (const v1::ConfigChange& change : changes) *stored.add_changes() = change;
  std::string bytes = stored.SerializeAsString();
  absl::MutexLock lock(&mu_);
  const std::string key = Key(++last_);
  size_t count = stored_.size();
  size_t left = stored_bytes_;
  uint64_t forgotten = 0;
  for (auto oldest = stored_.begin();
       oldest != stored_.end() && (count >= kKept || left + bytes.size() > kKeptBytes); ++oldest) {
    --count;
    left -= oldest->second;
    forgotten = oldest->first;
    batch.changes.push_back({Key(forgotten), std::nullopt});
  }
  if (forgotten != 0) batch.changes.push_back({kForgotten, absl::StrCat(forgotten)});
  batch.conditions.push_back({key, std::nullopt});
  batch.changes.push_back({key, std::move(bytes)});
}

ConfigVersion ConfigHistory::Load(uint64_t number) const {
  ConfigVersion version = {number, {}};
  v1::ConfigHistoryResponse stored;
  const auto bytes = store_.Get(Key(number));
  if (bytes && stored.ParseFromString(*bytes)) {
    version.changes.assign(stored.changes().begin(), stored.changes().end());
  }
  return version;
}

std::vector<ConfigVersion> ConfigHistory::Read(size_t limit) const {
  std::vector<uint64_t> numbers;
  {
    absl::MutexLock lock(&mu_);
    for (auto it = stored_.rbegin(); it != stored_.rend() && numbers.size() < limit; ++it) {
      numbers.push_back(it->first);
    }
  }
  std::vector<ConfigVersion> versions;
  versions.reserve(numbers.size());
  for (const uint64_t number : numbers) {
    ConfigVersion version = Load(number);
    for (v1::ConfigChange& change : version.changes) {
      if (change.has_old_value()) Cut(*change.mutable_old_value());
      if (change.has_new_value()) Cut(*change.mutable_new_value());
    }
    if (!version.changes.empty()) versions.push_back(std::move(version));
  }
  return versions;
}

absl::StatusOr<std::vector<ConfigVersion>> ConfigHistory::After(uint64_t version) const {
  std::vector<uint64_t> numbers;
  uint64_t newest = 0;
  {
    absl::MutexLock lock(&mu_);
    if (!stored_.empty()) newest = stored_.rbegin()->first;
    for (auto it = stored_.rbegin(); it != stored_.rend() && it->first > version; ++it) {
      numbers.push_back(it->first);
    }
  }
  if (version > newest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no version ", version, " of the configuration; the newest is ", newest));
  }
  uint64_t forgotten = 0;
  if (const auto text = store_.Get(kForgotten)) (void)absl::SimpleAtoi(*text, &forgotten);
  if (version < forgotten) {
    return absl::OutOfRangeError(
        absl::StrCat("what was changed after version ", version,
                     " of the configuration is not all known any more; the oldest version that can "
                     "be gone back to is ",
                     forgotten));
  }
  std::vector<ConfigVersion> versions;
  for (const uint64_t number : numbers) versions.push_back(Load(number));
  return versions;
}

}  // namespace outpost::config
