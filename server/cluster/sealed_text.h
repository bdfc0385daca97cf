// SealedText is bytes in a file that never changes again: a memfd, sealed, which
// other processes of this user can map where this one runs, by its path below /proc.
//
//     [token][bytes][padding]
//
// The token is random: who opens the path and finds another one has opened something
// else (another host's /proc, a descriptor that was used again).
//
// **Thread safety.** Immutable.
//
// **Invariants.** The file is sealed against writing, growing, shrinking and further
// seals before anybody learns of it, so that a reader can trust its mapping.
#ifndef OUTPOST_SERVER_CLUSTER_SEALED_TEXT_H_
#define OUTPOST_SERVER_CLUSTER_SEALED_TEXT_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::cluster {

class SealedText {
 public:
  // As a reader of JSON wants it behind the text.
  static constexpr size_t kPadding = 64;

  // A file with these bytes: `head`, then `tail`. An error names what the system
  // refused: memory, file descriptors.
  static absl::StatusOr<std::unique_ptr<SealedText>> Create(absl::string_view head,
                                                            absl::string_view tail);
  ~SealedText();
  SealedText(const SealedText&) = delete;
  SealedText& operator=(const SealedText&) = delete;

  // The bytes, as long as this lives.
  absl::string_view bytes() const;
  // "/proc/<pid>/fd/<n>": can be opened as long as this lives.
  const std::string& path() const { return path_; }
  const std::string& token() const { return token_; }

 private:
  SealedText(int fd, std::string token, size_t size);

  const int fd_;
  const std::string token_;
  const std::string path_;
  const size_t size_;        // of the file
  void* mapping_ = nullptr;  // of all of it
};

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_SEALED_TEXT_H_
