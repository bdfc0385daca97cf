// Random secrets and their fingerprints: tokens of processes, keys of sessions.
// Thread-safe.
#ifndef OUTPOST_SERVER_MODULE_SECRET_H_
#define OUTPOST_SERVER_MODULE_SECRET_H_

#include <string>

#include "absl/strings/string_view.h"

namespace outpost::module {

// 256 random bits from OpenSSL's generator, as 64 hexadecimal digits.
std::string NewSecret();

// The SHA-256 of `secret` in hexadecimal: what may be stored and compared.
std::string Fingerprint(absl::string_view secret);

// Whether two texts are equal, in a time that does not tell where they differ.
bool ConstantTimeEquals(absl::string_view a, absl::string_view b);

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_SECRET_H_
