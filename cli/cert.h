// The command cert: a certificate authority of one's own, in files.
//
// **Thread safety.** A blocking function.
#ifndef OUTPOST_CLI_CERT_H_
#define OUTPOST_CLI_CERT_H_

#include <optional>

#include "cli/local_commands.h"

namespace outpost::cli {

// cert init | issue | renew | ls | revoke; see `outpost cert`.
std::optional<Failure> Cert(const LocalCall& call);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_CERT_H_
