// What goes in (--in-file) and what comes out (standard output, --out-file), as
// bytes.
//
// **Thread safety.** An Output: one thread at a time.
#ifndef OUTPOST_CLI_FILES_H_
#define OUTPOST_CLI_FILES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "cli/failure.h"

namespace outpost::cli {

// The most that a command takes as its input.
inline constexpr size_t kMaxInFile = size_t{64} << 20;

// The content of `path`, or of standard input where it is "-". Fails on what can't
// be read, and with EFBIG on more than kMaxInFile bytes.
std::variant<std::string, Failure> ReadInFile(const std::string& path);

// Opens /dev/null in place of the standard streams that are closed, the wrong way
// round, so that no socket gets their numbers and using them still fails.
void OccupyClosedStandardStreams();

// Where a command's output goes.
class Output {
 public:
  // `path` empty or "-": standard output. A file is made or emptied at once, so
  // that no command runs whose output would be lost.
  static std::variant<Output, Failure> Open(const std::string& path);

  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  ~Output();

  // Writes the text that a command gave: to a file as it is, to standard output
  // with a newline at its end. When the reader of a pipe is gone, the Failure has
  // no text and the exit status that the shell knows from SIGPIPE.
  std::optional<Failure> Write(absl::string_view text);
  // The same for what is no text: as it is.
  std::optional<Failure> WriteBytes(absl::string_view bytes);

 private:
  Output(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  int fd_;
  std::string name_;  // empty: standard output
};

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_FILES_H_
