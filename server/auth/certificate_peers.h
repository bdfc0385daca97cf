// CertificatePeers tells whose a certificate is that TLS has found good: the name in it, by
// the trust domain, unless it was revoked.
//
// The list of revoked ones is a file, a line each that begins with the SHA-256 of a
// certificate; it is read again within a second of a change, and counts for open connections,
// too. A file that can't be read any more leaves the last list as it is.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_SERVER_AUTH_CERTIFICATE_PEERS_H_
#define OUTPOST_SERVER_AUTH_CERTIFICATE_PEERS_H_

#include <sys/stat.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/auth/peer.h"

namespace outpost::auth {

class CertificatePeers {
 public:
  static constexpr absl::Duration kLookAgain = absl::Seconds(1);

  // `revoked_file`: need not be there.
  CertificatePeers(std::string trust_domain, std::string revoked_file);

  // Whose the certificate is. Its problem says why it is nobody's.
  std::shared_ptr<const Peer> PeerOf(absl::string_view pem);
  // Whether its certificate was revoked since.
  bool IsRevoked(const Peer& peer);

 private:
  static constexpr size_t kMaxKnown = 4096;

  void LookAtFile(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::shared_ptr<const Peer> MakePeer(const std::string& pem) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string trust_domain_;
  const std::string revoked_file_;
  absl::Mutex mu_;
  absl::Time look_again_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  struct stat seen_ ABSL_GUARDED_BY(mu_) = {};
  absl::flat_hash_set<std::string> revoked_ ABSL_GUARDED_BY(mu_);  // fingerprints
  // By certificate, since `revoked_` is as it is.
  absl::flat_hash_map<std::string, std::shared_ptr<const Peer>> known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_CERTIFICATE_PEERS_H_
