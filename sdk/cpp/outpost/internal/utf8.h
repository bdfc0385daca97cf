// UTF-8: what protobuf's string fields and JSON must hold.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_UTF8_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_UTF8_H_

#include <string>

#include "absl/strings/string_view.h"

namespace outpost::internal {

// Whether `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong
// forms, at most U+10FFFF).
bool IsUtf8(absl::string_view text);

// `text` with a '?' for each byte that is not part of well-formed UTF-8.
std::string ToUtf8(absl::string_view text);

// At most `max_bytes` of `text`, not cut inside a character.
absl::string_view CutUtf8(absl::string_view text, size_t max_bytes);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_UTF8_H_
