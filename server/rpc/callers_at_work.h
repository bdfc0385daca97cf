// CallersAtWork knows from where those call whose commands, and calls of methods, run now: a module
// that works for somebody may ask whether they may do something (Auth.IsAuthorized), and their
// caps may depend on the network that they come from.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_SERVER_RPC_CALLERS_AT_WORK_H_
#define OUTPOST_SERVER_RPC_CALLERS_AT_WORK_H_

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/identity.h"

namespace outpost::rpc {

class CallersAtWork {
 public:
  // Counts `caller` until what it returns is gone, which may outlive this; null where nobody has to
  // ask, because they may do all from everywhere.
  std::shared_ptr<const void> Enter(const Caller& caller);

  // The addresses from which `name` calls, as Caller has them; of nobody who calls none.
  std::vector<std::string> AddressesOf(absl::string_view name) const;

 private:
  struct State {
    absl::Mutex mu;
    // How many, by address.
    absl::flat_hash_map<std::string, std::map<std::string, size_t>> callers ABSL_GUARDED_BY(mu);
  };

  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_CALLERS_AT_WORK_H_
