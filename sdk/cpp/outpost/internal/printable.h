// Text that others wrote, made harmless for a terminal.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_PRINTABLE_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_PRINTABLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace outpost::internal {

// `text` with "\x1b" for each control character (C0, DEL, and C1 as UTF-8 has them) but
// newlines and tabs: what a module says in its health check can't move the reader's cursor,
// nor set the title of their window.
std::string Printable(absl::string_view text);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_PRINTABLE_H_
