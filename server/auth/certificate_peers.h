// CertificatePeers tells whose a certificate is that TLS has found good: the name in it, by
// the trust domain, unless it was revoked.
//
// The list of revoked ones (revoked_list.h) is read again when the file has changed.
//
// **Thread safety.** All methods may be called from any thread. One of them at a time looks at
// the file, without the lock that the others need.
//
// **Invariants.**
// 1. No answer is of a list older than kOldest: where the file was not looked at in that time, it
//    waits for that.
// 2. Who was revoked stays so while the list can't be read (any more), is gone, or has a line that
//    is none: that is told once, and the last list that could be read counts on.
#ifndef OUTPOST_SERVER_AUTH_CERTIFICATE_PEERS_H_
#define OUTPOST_SERVER_AUTH_CERTIFICATE_PEERS_H_

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/auth/peer.h"

namespace outpost::auth {

class CertificatePeers {
 public:
  static constexpr absl::Duration kLookAgain = absl::Milliseconds(500);
  static constexpr absl::Duration kOldest = absl::Seconds(1);

  // `revoked_file`: need not be there.
  CertificatePeers(std::string trust_domain, std::string revoked_file);

  // Reads the list, before anybody is asked for. Errors name the file, which is there and can't
  // be read, or a line of it that is none.
  absl::Status ReadList();

  // Whose the certificate is. Its problem says why it is nobody's.
  std::shared_ptr<const Peer> PeerOf(absl::string_view pem);
  // Whether its certificate was revoked since.
  bool IsRevoked(const Peer& peer);

 private:
  static constexpr size_t kMaxKnown = 4096;

  void LookIfDue();
  void LookAgain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(file_mu_);
  // What is wrong with the file. Takes over what it holds.
  absl::Status Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(file_mu_);

  const std::string trust_domain_;
  const std::string revoked_file_;

  std::atomic<int64_t> looked_ = 0;  // when last, in nanoseconds of the steady clock; 0: never
  absl::Mutex file_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  bool was_read_ ABSL_GUARDED_BY(file_mu_) = false;
  struct stat seen_ ABSL_GUARDED_BY(file_mu_) = {};
  absl::Status problem_of_seen_ ABSL_GUARDED_BY(file_mu_);
  std::string told_ ABSL_GUARDED_BY(file_mu_);  // of what is wrong with it

  absl::Mutex mu_;
  absl::flat_hash_set<std::string> revoked_ ABSL_GUARDED_BY(mu_);  // fingerprints
  // By certificate, since `revoked_` is as it is.
  absl::flat_hash_map<std::string, std::shared_ptr<const Peer>> known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_CERTIFICATE_PEERS_H_
