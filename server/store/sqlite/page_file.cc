#include "server/store/sqlite/page_file.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/store/sqlite/files.h"
#include "server/store/sqlite/sqlite_errors.h"

namespace outpost::store {
namespace {

constexpr size_t kUsualPageSize = 4096;  // of the files that we make
constexpr char kMagic[] = "SQLite format 3";
constexpr size_t kLogHeader = 32;
constexpr size_t kFrameHeader = 24;

bool IsPageSize(uint64_t size) { return size >= 512 && size <= 65536 && (size & (size - 1)) == 0; }

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad()) return SystemError(path, "can't be read");
  return text;
}

// The checksum of a log, over pairs of 32-bit words in the byte order that its magic says.
class LogChecksum {
 public:
  explicit LogChecksum(bool big_endian) : big_endian_(big_endian) {}

  void Add(absl::string_view data) {
    for (size_t i = 0; i + 8 <= data.size(); i += 8) {
      first_ += Word(data, i) + second_;
      second_ += Word(data, i + 4) + first_;
    }
  }

  bool Is(absl::string_view data, size_t offset) const {
    return first_ == BigEndian(data, offset, 4) && second_ == BigEndian(data, offset + 4, 4);
  }

 private:
  uint32_t Word(absl::string_view data, size_t offset) const {
    const auto word = static_cast<uint32_t>(BigEndian(data, offset, 4));
    return big_endian_ ? word : __builtin_bswap32(word);
  }

  const bool big_endian_;
  uint32_t first_ = 0;
  uint32_t second_ = 0;
};

}  // namespace

uint64_t BigEndian(absl::string_view data, size_t offset, int bytes) {
  uint64_t value = 0;
  if (offset + bytes > data.size()) return 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>(data[offset + i]);
  return value;
}

absl::StatusOr<PageFile> PageFile::Read(const std::string& path) {
  PageFile result;
  auto file = ReadAll(path);
  if (!file.ok()) return file.status();
  result.file_ = *std::move(file);
  result.ReadHeader();
  if (HasLog(path)) {
    auto log = ReadAll(path + "-wal");
    if (!log.ok()) return log.status();
    result.log_ = *std::move(log);
    result.ReadLog();
  }
  return result;
}

void PageFile::ReadHeader() {
  uint64_t size = BigEndian(file_, 16, 2);
  if (size == 1) size = 65536;
  const uint64_t reserved = BigEndian(file_, 20, 1);
  if (!absl::StartsWith(file_, kMagic) || !IsPageSize(size) || size < 480 + reserved) {
    losses_.push_back("the header of the file");
    page_size_ = usable_size_ = kUsualPageSize;
  } else {
    page_size_ = size;
    usable_size_ = size - reserved;
  }
  pages_ = static_cast<uint32_t>((file_.size() + page_size_ - 1) / page_size_);
}

void PageFile::ReadLog() {
  const absl::string_view log = log_;
  const uint64_t magic = BigEndian(log, 0, 4);
  LogChecksum sum(magic == 0x377f0683);
  sum.Add(log.substr(0, kFrameHeader));
  if (log.size() < kLogHeader || (magic & ~uint64_t{1}) != 0x377f0682 || !sum.Is(log, 24) ||
      BigEndian(log, 8, 4) != page_size_) {
    losses_.push_back("the changes in the log (its header is damaged)");
    return;
  }
  // What comes after a transaction that ended with another salt is older than the log.
  const absl::string_view salt = log.substr(16, 8);
  std::map<uint32_t, size_t> open;  // of a transaction whose end has not come
  size_t at = kLogHeader;
  for (; at + kFrameHeader + page_size_ <= log.size(); at += kFrameHeader + page_size_) {
    if (log.substr(at + 8, 8) != salt) return;
    sum.Add(log.substr(at, 8));
    sum.Add(log.substr(at + kFrameHeader, page_size_));
    if (!sum.Is(log, at + 16)) {
      losses_.push_back(
          absl::StrCat("changes in the log from byte ", at, " on, which is damaged there"));
      return;
    }
    open[static_cast<uint32_t>(BigEndian(log, at, 4))] = at + kFrameHeader;
    if (const uint64_t pages = BigEndian(log, at + 4, 4); pages != 0) {
      for (const auto& [number, offset] : open) newer_[number] = offset;
      open.clear();
      pages_ = static_cast<uint32_t>(pages);
    }
  }
}

absl::string_view PageFile::page(uint64_t number) const {
  if (number < 1 || number > pages_) return {};
  const auto newer = newer_.find(static_cast<uint32_t>(number));
  if (newer != newer_.end()) return absl::string_view(log_).substr(newer->second, page_size_);
  const size_t offset = (number - 1) * page_size_;
  if (offset >= file_.size()) return {};
  return absl::string_view(file_).substr(offset, page_size_);
}

}  // namespace outpost::store
