// The list of revoked certificates: a file, a line each that begins with the SHA-256 of a
// certificate in hexadecimal, with or without colons. What follows it, and lines of "#", are for
// people.
//
// **Thread safety.** A function of its argument and of the file.
#ifndef OUTPOST_SERVER_AUTH_REVOKED_LIST_H_
#define OUTPOST_SERVER_AUTH_REVOKED_LIST_H_

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace outpost::auth {

constexpr size_t kMaxRevokedList = size_t{16} << 20;  // bytes: some 150,000 certificates

struct RevokedList {
  absl::flat_hash_set<std::string> fingerprints;  // as Certificate has them
  absl::Status problem;                           // INVALID_ARGUMENT names a line that is none
};

// NOT_FOUND, PERMISSION_DENIED or UNAVAILABLE: it can't be read, or not as a whole.
absl::StatusOr<RevokedList> ReadRevokedList(const std::string& path);

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_REVOKED_LIST_H_
