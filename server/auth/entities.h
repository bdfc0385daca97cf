// Entities are those who may call the manager, and what each may do: users and modules,
// with their caps, as an operator has set them.
//
// A user that is not here may do nothing. A module that is not here has the caps of the
// entity "module/*", and where that is not here either, all: as each module of ceph-mgr
// has. user/admin may do everything, always.
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.** What is in the store and can't be parsed allows nothing.
#ifndef OUTPOST_SERVER_AUTH_ENTITIES_H_
#define OUTPOST_SERVER_AUTH_ENTITIES_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/auth/caps.h"
#include "server/store/state_store.h"

namespace outpost::auth {

inline constexpr char kEveryModule[] = "module/*";

// INVALID_ARGUMENT, unless `name` is "user/<name>", "module/<name>" or "module/*".
absl::Status ValidateEntityName(absl::string_view name);

class Entities {
 public:
  // `store` outlives it.
  explicit Entities(store::StateStore* store);

  // The caps that count for `name`; nullopt: a user that is not known.
  std::optional<Caps> CapsOf(absl::string_view name) const;
  // What was set for exactly this entity.
  std::optional<Caps> Get(absl::string_view name) const;
  // All for whom something was set, by name.
  std::vector<std::pair<std::string, Caps>> List() const;

  // Gives `name` these caps in place of those it had; they count when `done` hears that
  // they are durable. INVALID_ARGUMENT: it can't have any.
  void Set(const std::string& name, Caps caps, store::StateStore::WriteDone done);
  // Takes back what was set. NOT_FOUND: nothing was.
  void Remove(const std::string& name, store::StateStore::WriteDone done);

 private:
  // What writes that outlive this change, too.
  struct State {
    absl::Mutex mu;
    std::map<std::string, Caps, std::less<>> entities ABSL_GUARDED_BY(mu);
  };

  store::StateStore* const store_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_ENTITIES_H_
