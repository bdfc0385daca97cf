// HandshakePace says when the TLS handshake of a connection begins. A handshake costs the manager a
// millisecond or so of a thread that answers calls, for whoever asks; it is known to have been
// worth it when somebody calls over the connection who has rights.
//
// A handshake is paid for when it begins, and what was paid comes back when it was worth it: so
// kBurst may be on their way at once and, of those that come to nothing, kPerSecond. Hosts from
// which nobody with rights has ever called pay together, and take turns; each other host pays for
// itself. Who can't pay waits.
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.**
// 1. At most kMaxWaiting wait; of one host, kMaxOfHost. What is beyond is handed back: the oldest
//    of the host of which the most wait.
// 2. A host's handshakes that come to nothing delay no host that is known and, of the others, each
//    by one turn.
#ifndef OUTPOST_SERVER_RPC_HANDSHAKE_PACE_H_
#define OUTPOST_SERVER_RPC_HANDSHAKE_PACE_H_

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace outpost::rpc {

class HandshakePace {
 public:
  static constexpr double kBurst = 50;
  static constexpr double kPerSecond = 2;
  static constexpr size_t kMaxWaiting = 1024;
  static constexpr size_t kMaxOfHost = 64;
  static constexpr size_t kMaxKnown = 4096;  // hosts; beyond, one of them is forgotten
  static constexpr size_t kMaxBegun = 4096;  // handshakes that may still be worth it

  struct Connection {
    int fd;
    std::string host;  // who pays
    std::string peer;  // no other connection's while this is open
  };

  // A connection that waits for its turn. Another that has to go for it, if any.
  std::optional<Connection> Add(Connection connection);
  // One whose handshake begins now, at `now` of a steady clock; none: it is nobody's turn.
  std::optional<Connection> Next(absl::Duration now);
  // For how long it is nobody's turn. InfiniteDuration: nobody waits.
  absl::Duration NextAfter(absl::Duration now) const;
  // The handshake of this peer came to be a call of somebody with rights. True: it may be
  // somebody's turn, who waited.
  bool Worth(const std::string& peer);
  // It did not begin, after all.
  void Withdraw(const std::string& peer);

  // All that wait; they wait no more.
  std::vector<Connection> TakeAll();

  // Whether somebody with rights has called from there.
  bool IsKnown(const std::string& host) const;
  size_t waiting() const;
  // The host of which the most wait; of none, where nobody does.
  struct HostThatWaits {
    std::string host;
    size_t waiting = 0;
  };
  HostThatWaits Longest() const;

 private:
  // When all that was begun would have begun, at the rate.
  using Paid = absl::Duration;
  struct Host {
    std::deque<Connection> waiting;
    bool is_known = false;
    Paid paid = -absl::InfiniteDuration();  // where it is known
  };

  struct Begun {
    std::string host;
    bool paid_by_others;  // the host was not known
  };

  using Entry = std::pair<const std::string, Host>;  // of hosts_

  // When a handshake may begin.
  static absl::Duration Turn(Paid paid);
  const Paid& PaidBy(const Host& host) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  Paid& PaidBy(Host& host) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What the handshake of this peer has cost comes back. The host; empty: it has cost nothing.
  std::string PayBack(const std::string& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of turns_, the first of those with the most that wait.
  std::deque<Entry*>::const_iterator Most() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void ForgetOneKnown() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  Paid paid_by_others_ ABSL_GUARDED_BY(mu_) = -absl::InfiniteDuration();
  // Those that are known, or wait.
  std::map<std::string, Host> hosts_ ABSL_GUARDED_BY(mu_);
  size_t known_ ABSL_GUARDED_BY(mu_) = 0;
  size_t waiting_ ABSL_GUARDED_BY(mu_) = 0;
  // Those of which connections wait, in the order of their turns.
  std::deque<Entry*> turns_ ABSL_GUARDED_BY(mu_);
  // What has begun, by peer; and the peers in the order in which they began.
  absl::flat_hash_map<std::string, Begun> begun_ ABSL_GUARDED_BY(mu_);
  std::deque<std::string> order_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_HANDSHAKE_PACE_H_
