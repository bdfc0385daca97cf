// Peer is who is at the other end of a connection, as far as the connection itself
// proves it: a user of this machine, by the kernel; the subject of a certificate; or
// whoever reached an open port.
#ifndef OUTPOST_SERVER_AUTH_PEER_H_
#define OUTPOST_SERVER_AUTH_PEER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace outpost::auth {

// Root and the owner of the manager, at its socket. May do everything, always.
inline constexpr char kAdmin[] = "user/admin";
// Whoever reaches a port of --listen-plaintext-tcp.
inline constexpr char kPlaintextTcp[] = "user/plaintext-tcp";

struct Peer {
  std::string name;    // "user/alice", "module/hello"
  std::string module;  // "hello"; empty: a user
  // "uid 1000", "certificate for spiffe://…/user/alice": what a session is bound to. A certificate
  // that was renewed proves the same.
  std::string proof;
  // Not OK: nobody that is known; the message says what was seen.
  absl::Status problem;
  absl::Time expires = absl::InfiniteFuture();  // of the certificate
  std::string fingerprint;                      // of the certificate; empty: there is none
};

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_PEER_H_
