// PageFile is a state store's file as a row of pages, with the changes of its log: what is
// left of it when SQLite can't, or must not, read it.
//
// **Thread safety.** Immutable after Read: any thread.
//
// See https://www.sqlite.org/fileformat2.html, sections 1.2, 1.6 and 4.
#ifndef OUTPOST_SERVER_STORE_SQLITE_PAGE_FILE_H_
#define OUTPOST_SERVER_STORE_SQLITE_PAGE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::store {

// A number of `bytes` bytes, the most significant first; 0 beyond the end of `data`.
uint64_t BigEndian(absl::string_view data, size_t offset, int bytes);

class PageFile {
 public:
  // Reads the file `path` and, where there is one, `path`-wal. An error: the file can't be read.
  static absl::StatusOr<PageFile> Read(const std::string& path);

  size_t page_size() const { return page_size_; }
  // Of a page, without what is reserved at its end.
  size_t usable_size() const { return usable_size_; }
  // Pages are numbered from 1 to this.
  uint32_t pages() const { return pages_; }
  // The newest of a page; a page at the end of a file that was cut off may be short. Empty:
  // there is no such page.
  absl::string_view page(uint64_t number) const;
  // What of the file and of its log can't be read, for people.
  const std::vector<std::string>& losses() const { return losses_; }

 private:
  void ReadHeader();
  void ReadLog();

  std::string file_;
  std::string log_;
  size_t page_size_ = 0;
  size_t usable_size_ = 0;
  uint32_t pages_ = 0;
  std::map<uint32_t, size_t> newer_;  // pages in the log, with their offset there
  std::vector<std::string> losses_;
};

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_PAGE_FILE_H_
