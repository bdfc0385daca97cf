// StructureWatches tells modules, once each, that a structure which they have read
// has a newer version: by StructureChanged, in their session.
//
// **Thread safety.** All methods may be called from any thread; none blocks.
//
// **Invariants.**
// 1. A module that called Watch before it looked at the newest version hears of every
//    version that it has not seen: it is told, or the watch is still there.
// 2. There is at most one watch for each session and structure.
#ifndef OUTPOST_SERVER_MODULE_STRUCTURE_WATCHES_H_
#define OUTPOST_SERVER_MODULE_STRUCTURE_WATCHES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/module/session.h"

namespace outpost::module {

class StructureWatches {
 public:
  // Tells `session` of the next newer version of `structure`.
  void Watch(absl::string_view structure, const std::shared_ptr<Session>& session);

  // `structure` has a newer version: tells who watches it, and forgets them.
  void Changed(absl::string_view structure, uint64_t version);

  // How many watches there are.
  size_t size() const;

 private:
  // By session; one that has ended is swept when the map has grown.
  using Watchers = absl::flat_hash_map<const Session*, std::weak_ptr<Session>>;
  struct OfStructure {
    Watchers watchers;
    size_t sweep_at = 64;
  };

  mutable absl::Mutex mu_;
  absl::flat_hash_map<std::string, OfStructure> structures_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_STRUCTURE_WATCHES_H_
