// WatchList is the part of a StateStore that keeps the watches and calls them.
//
// **Thread safety.** Add may be called, and a handle destroyed, from any thread.
// Deliver is called by one thread at a time, the store's.
//
// **Invariants.**
// 1. After a handle is destroyed its callback neither runs nor will: the destructor
//    waits for a callback that is running. It does not wait when it is called by a
//    callback (the delivering thread itself), where it would wait for ever; the
//    running callback is then the last one.
// 2. Whoever destroys a handle must not hold a lock that the callback takes.
// 3. A handle may outlive its WatchList.
#ifndef OUTPOST_SERVER_STORE_WATCH_LIST_H_
#define OUTPOST_SERVER_STORE_WATCH_LIST_H_

#include <memory>

#include "absl/strings/string_view.h"
#include "server/store/state_store.h"

namespace outpost::store {

class WatchList {
 public:
  WatchList();
  ~WatchList();
  WatchList(const WatchList&) = delete;
  WatchList& operator=(const WatchList&) = delete;

  // StateStore::Watch.
  std::unique_ptr<WatchHandle> Add(absl::string_view prefix, StateStore::WatchCallback callback);

  // Calls each watch whose prefix `change.key` has, in the order in which they were added.
  void Deliver(const Change& change);

 private:
  class Watches;
  class Handle;

  const std::shared_ptr<Watches> watches_;
};

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_WATCH_LIST_H_
