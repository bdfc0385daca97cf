// The syntax of network addresses in command arguments: "1.2.3.4:6789",
// "[::1]:6789", "v2:1.2.3.4:3300/123".
//
// **Thread safety.** Pure functions: any thread.
#ifndef OUTPOST_SERVER_COMMAND_ADDRESS_SYNTAX_H_
#define OUTPOST_SERVER_COMMAND_ADDRESS_SYNTAX_H_

#include <string>

#include "absl/strings/string_view.h"

namespace outpost::command {

// `address` without a leading "v1:", "v2:" or "any:".
absl::string_view WithoutProtocol(absl::string_view address);

// What is wrong with an IP address with an optional protocol and port; empty: nothing.
std::string IpAddressFault(absl::string_view address);

// The same for an address with an optional nonce: "1.2.3.4:0/123".
std::string EntityAddressFault(absl::string_view address);

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_ADDRESS_SYNTAX_H_
