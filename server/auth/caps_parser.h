// Reads caps, in the grammar of caps.h.
//
// **Thread safety.** A pure function.
#ifndef OUTPOST_SERVER_AUTH_CAPS_PARSER_H_
#define OUTPOST_SERVER_AUTH_CAPS_PARSER_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/auth/caps_grant.h"

namespace outpost::auth {

// INVALID_ARGUMENT says where `text` is wrong, and what could stand there.
absl::StatusOr<std::vector<Caps::Grant>> ParseGrants(absl::string_view text);

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_CAPS_PARSER_H_
