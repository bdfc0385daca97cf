// Files and directories that nobody else may read.
#ifndef OUTPOST_SERVER_AUTH_PRIVATE_FILE_H_
#define OUTPOST_SERVER_AUTH_PRIVATE_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace outpost::auth {

// The content of a file, of `most` bytes at most. NOT_FOUND, PERMISSION_DENIED or UNAVAILABLE name
// it and say why; of a longer one nothing is told.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most = size_t{1} << 20);

// Writes a file of mode 0600 in place of the one that is there: whoever reads it sees the old
// or the new, and never a part.
absl::Status WritePrivateFile(const std::string& path, const std::string& content);

// Makes a directory of mode 0700, and those above it, where it is not there.
absl::Status MakePrivateDirectory(const std::string& path);

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_PRIVATE_FILE_H_
