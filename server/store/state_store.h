// StateStore keeps everything that must survive the manager: options, module
// keys, which modules are enabled. It is a small ordered map from text keys to
// byte values, with atomic batches and prefix watches.
//
// **Thread safety.** All methods may be called from any thread. Callbacks run on
// a thread of the store, one at a time; they must not block, wait for the result
// of a Write, or destroy the store. They may call Write itself. `done` runs inside
// Write, on the caller's thread, when the batch is refused at once (a bad key, a
// full queue, a store that is closing): call Write without a lock that `done` takes.
//
// **Invariants.**
// 1. When `done(OK)` runs, the batch is durable and every later read sees it.
// 2. A batch that fails changed nothing: no read has seen it or will.
// 3. Batches are applied in the order in which Write was called.
// 4. Watchers see each applied change once, in the order of application, before
//    the batch's `done` runs. Reads show that change then, and perhaps later ones.
#ifndef OUTPOST_SERVER_STORE_STATE_STORE_H_
#define OUTPOST_SERVER_STORE_STATE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/metrics/latency_histogram.h"

namespace outpost::store {

// Sets a key, or removes it (no value).
struct Change {
  std::string key;
  std::optional<std::string> value;
};

// What a key must hold for a batch to be applied; no value: it must be absent.
struct Condition {
  std::string key;
  std::optional<std::string> value;
};

// Changes that are made all or not at all.
struct Batch {
  std::vector<Condition> conditions;
  std::vector<Change> changes;
};

// Ends a watch when destroyed; after that its callback neither runs nor will. So
// the destructor waits for a callback that runs on another thread: hold no lock that
// the callback takes. A callback may destroy its own handle. A handle may outlive
// its store.
class WatchHandle {
 public:
  virtual ~WatchHandle() = default;
};

// What a store has done since it was opened, and has to do.
struct StoreStats {
  uint64_t writes = 0;                          // batches that became durable
  uint64_t failed_writes = 0;                   // batches that the disk or a full queue failed
  metrics::LatencyHistogram::Snapshot commits;  // of the transactions that made them durable
  size_t queued_batches = 0;                    // waiting now, or in the transaction that runs
  size_t queued_bytes = 0;
  size_t keys = 0;
};

class StateStore {
 public:
  // OK: durable. FAILED_PRECONDITION: a condition did not hold; the message is
  // the key of the first such. RESOURCE_EXHAUSTED: the disk, or the queue of
  // waiting writes, is full. UNAVAILABLE: the store can't be written.
  // INVALID_ARGUMENT: an empty key.
  using WriteDone = absl::AnyInvocable<void(absl::Status)>;
  using WatchCallback = std::function<void(const Change&)>;

  virtual ~StateStore() = default;

  // "sqlite", "etcd", …
  virtual absl::string_view name() const = 0;

  virtual StoreStats stats() const = 0;

  // The value of `key`, from memory; nullopt where there is none.
  virtual std::optional<std::string> Get(absl::string_view key) const = 0;

  // The keys that begin with `prefix` and their values, in order, from memory.
  virtual std::vector<std::pair<std::string, std::string>> List(absl::string_view prefix) const = 0;

  // Applies `batch` durably and then calls `done`, once, also when the store is
  // destroyed first (UNAVAILABLE). Never blocks on the disk.
  virtual void Write(Batch batch, WriteDone done) = 0;

  // Calls `callback` with each change, made from now on, of a key that begins with
  // `prefix`; also with one that sets the value which was there. To know values and
  // changes without a gap, Watch first, then List.
  virtual std::unique_ptr<WatchHandle> Watch(absl::string_view prefix, WatchCallback callback) = 0;

  // Write, waiting for the result. Not from a store or gRPC callback thread.
  absl::Status WriteAndWait(Batch batch);
};

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_STATE_STORE_H_
