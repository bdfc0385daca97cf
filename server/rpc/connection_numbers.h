// ConnectionNumbers knows whose the connection is that has a file descriptor's number: gRPC tells
// no more of a connection at the socket.
//
// **Thread safety.** Of may be called from any thread; Take from one.
//
// **Invariants.**
// 1. A number that a connection of somebody with rights ever had is of that user, and of one module
//    or none, for ever: what is said of it is true of each connection that has it, the one before
//    as well.
// 2. A number of strangers, who may do nothing, is another stranger's once its connection is over,
//    and nobody else's: there are kMaxStrangers of these at most. gRPC closes a descriptor after
//    the last call of its connection (unix_listener_test holds it to that); so no call is taken for
//    another stranger's.
#ifndef OUTPOST_SERVER_RPC_CONNECTION_NUMBERS_H_
#define OUTPOST_SERVER_RPC_CONNECTION_NUMBERS_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "server/auth/peer.h"

namespace outpost::rpc {

class ConnectionNumbers {
 public:
  static constexpr size_t kNumbers = 65536;
  // How many numbers there may be of one user, but the owner: that bounds their connections.
  static constexpr size_t kMaxOfOthers = 4096;
  static constexpr size_t kMaxOfStranger = 16;
  static constexpr size_t kMaxStrangers = 1024;  // of all strangers together

  using Kind = std::pair<uid_t, std::string>;  // a user, and one of the modules or ""
  enum class Standing { kAdmin, kKnown, kStranger };

  struct Connection {
    std::shared_ptr<const auth::Peer> peer;  // null: it is none of these
    pid_t pid = 0;                           // of who connected
  };

  // The number under which `fd` is to be used: its own, or that of a copy, in which case the caller
  // closes it. -1: they have too many already.
  int Take(const Kind& kind, Standing standing, Connection connection, int fd);

  Connection Of(int number) const;

 private:
  struct Owner {
    const Kind* kind;  // a key of one of the maps
    bool is_stranger;
  };
  using Numbers = std::map<Kind, std::vector<int>>;
  struct Stripe {
    mutable absl::Mutex mu;
    absl::flat_hash_map<int, Connection> connections ABSL_GUARDED_BY(mu);
  };

  // A number that may be `kind`'s, for `fd`; -1: there is none.
  int Find(const Kind& kind, const std::vector<int>& own, Standing standing, int fd) const;
  bool MayHave(const Kind& kind, size_t have, Standing standing, int number) const;
  void Give(int number, const Kind& kind, bool is_stranger);

  Stripe& StripeOf(int number) { return stripes_[static_cast<size_t>(number) % stripes_.size()]; }
  const Stripe& StripeOf(int number) const {
    return stripes_[static_cast<size_t>(number) % stripes_.size()];
  }

  // Of the thread that takes them.
  Numbers for_ever_;
  Numbers of_strangers_;
  size_t strangers_ = 0;  // numbers in it
  absl::flat_hash_map<int, Owner> owners_;

  std::array<Stripe, 64> stripes_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_CONNECTION_NUMBERS_H_
