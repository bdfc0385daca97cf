#include "server/store/sqlite/salvage.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/store/sqlite/page_file.h"

namespace outpost::store {
namespace {

constexpr uint32_t kRoot = 2;  // of the table, the first and only one of the file
constexpr uint8_t kInterior = 0x02;
constexpr uint8_t kLeaf = 0x0a;
constexpr uint64_t kLargestEntry = uint64_t{1} << 30;  // SQLite's limit

// A number of 1 to 9 bytes at *at, which is moved behind it; nullopt: it is cut off.
std::optional<uint64_t> Varint(absl::string_view data, size_t* at) {
  uint64_t value = 0;
  for (int i = 0; i < 9; ++i) {
    if (*at >= data.size()) return std::nullopt;
    const auto byte = static_cast<uint8_t>(data[(*at)++]);
    if (i == 8) return value << 8 | byte;
    value = value << 7 | (byte & 0x7f);
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::string Shown(absl::string_view key) {
  constexpr size_t kLongest = 200;
  return absl::StrCat("entry ", absl::CHexEscape(key.substr(0, kLongest)));
}

class Salvager {
 public:
  Salvager(const PageFile& file, const EntryRule& rule)
      : file_(file), rule_(rule), seen_(file.pages() + 1) {}

  SalvageResult Run() {
    for (const std::string& loss : file_.losses()) Lose(loss);
    Walk(kRoot);
    if (result_.lost_pages > 0 || !file_.losses().empty()) {
      for (uint32_t page = kRoot; page <= file_.pages(); ++page) {
        if (!seen_[page]) TakeOffTheTree(page);
      }
    }
    for (const auto& [key, value] : result_.entries) result_.lost_keys.erase(key);
    return std::move(result_);
  }

 private:
  struct Entry {
    std::string key;
    std::string value;
    bool whole = false;
  };

  void Lose(std::string what) {
    if (result_.losses.size() < SalvageResult::kMostLosses) {
      result_.losses.push_back(std::move(what));
    }
  }

  void LosePage(uint32_t page, absl::string_view why) {
    ++result_.lost_pages;
    Lose(absl::StrCat("page ", page, ": ", why));
  }

  static uint8_t TypeOf(absl::string_view page) {
    return page.empty() ? 0 : static_cast<uint8_t>(page[0]);
  }

  void Walk(uint32_t root) {
    std::vector<uint32_t> left = {root};
    while (!left.empty()) {
      const uint32_t number = left.back();
      left.pop_back();
      if (number < kRoot || number > file_.pages()) {
        LosePage(number, "there is no such page: the file is cut off, or a link is damaged");
        continue;
      }
      if (seen_[number]) {
        LosePage(number, "two links lead to it");
        continue;
      }
      seen_[number] = true;
      const absl::string_view page = file_.page(number);
      if (TypeOf(page) != kInterior && TypeOf(page) != kLeaf) {
        LosePage(number, "it is no page of the table any more");
        continue;
      }
      TakeEntries(number, page);
      if (TypeOf(page) == kInterior) {
        for (size_t cell = 0; cell < CellsOf(page); ++cell) {
          if (const size_t at = CellAt(page, cell); at != 0) {
            left.push_back(static_cast<uint32_t>(BigEndian(page, at, 4)));
          }
        }
        left.push_back(static_cast<uint32_t>(BigEndian(page, 8, 4)));
      }
    }
  }

  // A part of the tree, perhaps, to which no link leads any more.
  void TakeOffTheTree(uint32_t number) {
    const absl::string_view page = file_.page(number);
    if (TypeOf(page) != kInterior && TypeOf(page) != kLeaf) return;
    seen_[number] = true;
    for (size_t cell = 0; cell < CellsOf(page); ++cell) {
      std::optional<Entry> entry = Read(page, CellAt(page, cell));
      if (!entry || !entry->whole || !rule_(entry->key, entry->value).ok()) continue;
      if (result_.entries.emplace(std::move(entry->key), std::move(entry->value)).second) {
        ++result_.off_the_tree;
      }
    }
  }

  void TakeEntries(uint32_t number, absl::string_view page) {
    bool damaged = page.size() < file_.usable_size();
    for (size_t cell = 0; cell < CellsOf(page); ++cell) {
      std::optional<Entry> entry = Read(page, CellAt(page, cell));
      if (!entry) {
        damaged = true;
        ++result_.unreadable;
        continue;
      }
      const absl::Status usable = entry->whole ? rule_(entry->key, entry->value)
                                               : absl::DataLossError("its value is cut off");
      if (!usable.ok()) {
        damaged = true;
        Lose(absl::StrCat(Shown(entry->key), ": ", usable.message()));
        result_.lost_keys.insert(std::move(entry->key));
        continue;
      }
      result_.entries.emplace(std::move(entry->key), std::move(entry->value));
    }
    if (damaged) LosePage(number, "it is damaged in part");
  }

  static size_t HeaderOf(absl::string_view page) { return TypeOf(page) == kInterior ? 12 : 8; }

  static size_t CellsOf(absl::string_view page) {
    const size_t room = page.size() < HeaderOf(page) ? 0 : (page.size() - HeaderOf(page)) / 2;
    return std::min<size_t>(BigEndian(page, 3, 2), room);
  }

  // Where the cell is in the page; 0: nowhere.
  static size_t CellAt(absl::string_view page, size_t cell) {
    const size_t at = BigEndian(page, HeaderOf(page) + 2 * cell, 2);
    return at < HeaderOf(page) + 2 * CellsOf(page) || at >= page.size() ? 0 : at;
  }

  // nullopt: not even its key can be read.
  std::optional<Entry> Read(absl::string_view page, size_t at) {
    if (at == 0) return std::nullopt;
    if (TypeOf(page) == kInterior) at += 4;
    const std::optional<uint64_t> size = Varint(page, &at);
    if (!size || *size < 3 || *size > kLargestEntry) return std::nullopt;

    const size_t usable = file_.usable_size();
    const size_t most = (usable - 12) * 64 / 255 - 23;
    size_t local = *size;
    if (*size > most) {
      const size_t least = (usable - 12) * 32 / 255 - 23;
      local = least + (*size - least) % (usable - 4);
      if (local > most) local = least;
    }
    if (at + local > page.size()) return std::nullopt;
    std::string payload(page.substr(at, local));
    if (*size > local) Follow(BigEndian(page, at + local, 4), *size, &payload);
    return Parse(payload, *size);
  }

  // Appends what stands in further pages, from `next` on, as far as they can be read.
  void Follow(uint64_t next, uint64_t size, std::string* payload) {
    std::vector<uint32_t> taken;
    while (payload->size() < size && next >= kRoot && next <= file_.pages() && !seen_[next]) {
      const absl::string_view page = file_.page(next);
      if (page.size() < file_.usable_size()) break;
      seen_[next] = true;
      taken.push_back(static_cast<uint32_t>(next));
      next = BigEndian(page, 0, 4);
      const size_t bytes = std::min<size_t>(file_.usable_size() - 4, size - payload->size());
      payload->append(page.data() + 4, bytes);
    }
    if (payload->size() == size) return;
    for (const uint32_t page : taken) seen_[page] = false;  // it may be another's
  }

  // A record of two blobs, of `size` bytes in all, of which `payload` is the beginning.
  static std::optional<Entry> Parse(absl::string_view payload, uint64_t size) {
    size_t at = 0;
    const auto header = Varint(payload, &at);
    const auto key = Varint(payload, &at);
    const auto value = Varint(payload, &at);
    if (!header || !key || !value || *header != at) return std::nullopt;
    for (const uint64_t type : {*key, *value}) {
      if (type < 12 || type % 2 != 0) return std::nullopt;  // no blob
    }
    const uint64_t key_size = (*key - 12) / 2;
    const uint64_t value_size = (*value - 12) / 2;
    if (key_size == 0 || key_size > size || value_size > size ||
        at + key_size + value_size != size || at + key_size > payload.size()) {
      return std::nullopt;
    }
    Entry entry;
    entry.key = std::string(payload.substr(at, key_size));
    entry.whole = payload.size() == size;
    if (entry.whole) entry.value = std::string(payload.substr(at + key_size));
    return entry;
  }

  const PageFile& file_;
  const EntryRule& rule_;
  std::vector<bool> seen_;  // pages that belong to something
  SalvageResult result_;
};

}  // namespace

absl::StatusOr<SalvageResult> Salvage(const std::string& path, const EntryRule& rule) {
  const auto file = PageFile::Read(path);
  if (!file.ok()) return file.status();
  return Salvager(*file, rule).Run();
}

}  // namespace outpost::store
