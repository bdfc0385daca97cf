// SqliteStore is the StateStore of a single machine: an SQLite file, and a copy of
// all of it in memory from which reads are served.
//
// One thread writes. It takes all batches that wait and makes them durable in one
// transaction (group commit), so that many writers at once cost one fdatasync
// together. When the transaction fails, each batch is tried again alone: one that is
// too big for the disk does not fail its neighbours.
//
// **Thread safety.** All methods may be called from any thread; the destructor not
// from a callback.
//
// **Invariants.**
// 1. Memory is what the file holds after the last commit: it changes only after a
//    commit succeeded, and only on the writer thread.
// 2. Conditions are checked against memory and the batches before in the same group;
//    an answer is given only when the group's fate is known.
// 3. The queue is bounded in batches and in bytes. What does not fit is refused at
//    once, inside Write.
// 4. While writing fails, the writer tries on its own, too, from time to time: OnWriting
//    tells of the end of it also when nobody writes.
// 5. A file that is found damaged while it is open is written anew from memory, which is
//    whole; the damaged one is kept beside it.
// 6. The destructor makes everything durable that was queued before it began (or
//    fails it as the disk says), and calls every `done`; a Write after that fails
//    with UNAVAILABLE.
#ifndef OUTPOST_SERVER_STORE_SQLITE_SQLITE_STORE_H_
#define OUTPOST_SERVER_STORE_SQLITE_SQLITE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"
#include "server/store/sqlite/database.h"
#include "server/store/state_store.h"
#include "server/store/watch_list.h"

namespace outpost::store {

struct SqliteOptions {
  // What may wait for the disk: batches, and bytes of their keys and values.
  size_t max_queued_batches = 10'000;
  size_t max_queued_bytes = size_t{64} << 20;
  // The file may not grow over this (its -wal file beside it may); 0: no limit.
  int64_t max_bytes = 0;
  // How long Open waits for another process, one that ends just now, to let go of the file.
  absl::Duration lock_wait = absl::Seconds(2);
  // How long after a failure writing is tried again, where nobody else does.
  absl::Duration try_again = absl::Seconds(1);
};

class SqliteStore : public StateStore {
 public:
  using Options = SqliteOptions;

  // Opens the store in `path`, which is made when there is none. Reads and checks the
  // whole file, so it blocks. DATA_LOSS: the file is damaged. FAILED_PRECONDITION: it
  // is another program's, or one of a newer version. UNAVAILABLE: it can't be opened
  // for writing, or another process has it. The message says what to do.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path,
                                                           Options options = {});
  ~SqliteStore() override;

  absl::string_view name() const override { return "sqlite"; }
  StoreStats stats() const override;
  std::optional<std::string> Get(absl::string_view key) const override;
  std::vector<std::pair<std::string, std::string>> List(absl::string_view prefix) const override;
  void Write(Batch batch, WriteDone done) override;
  std::unique_ptr<WatchHandle> Watch(absl::string_view prefix, WatchCallback callback) override;

  // What has become of writing.
  struct Writing {
    // OK; RESOURCE_EXHAUSTED: the disk is full; DATA_LOSS: the file is damaged, and can't be
    // written anew; UNAVAILABLE: the disk fails or is read-only.
    absl::Status status;
    // Not empty: the file was found damaged, and has been written anew; what happened.
    std::string repaired;
  };
  using WritingCallback = std::function<void(const Writing&)>;

  // Calls `callback` on a thread of the store when writing begins to fail, fails for another
  // reason, or has worked again for Options::try_again, and when the file was repaired; and
  // now, if one of these was. An empty one ends that: after it, none runs. Not from a callback
  // of the store.
  void OnWriting(WritingCallback callback);

 private:
  struct Pending {
    Batch batch;
    WriteDone done;
    size_t bytes = 0;
    absl::Status status;  // how it ended, once it has
  };
  using Group = std::vector<Pending>;

  SqliteStore(std::unique_ptr<Database> database, Options options);

  absl::Status Load();

  void WriterLoop();
  // Waits for batches, at most until writing is to be tried.
  Group TakeGroup() ABSL_LOCKS_EXCLUDED(queue_mu_);
  bool Closed() const ABSL_LOCKS_EXCLUDED(queue_mu_);
  // Writes `group` and answers it.
  void WriteGroup(Group& group);
  // Makes the batches [begin, end) durable in one transaction and applies them to
  // memory, leaving in each whether its conditions held. An error: nothing changed.
  absl::Status CommitBatches(Pending* begin, Pending* end);
  // Makes `changes` durable, repairing the file where that is needed.
  absl::Status Commit(const std::vector<ChangeRef>& changes);
  // Puts a new file in the place of one that is damaged; `damage` says in what way.
  absl::Status WriteAnew(const absl::Status& damage);
  // Finds out whether writing works again.
  absl::Status TryToWrite();
  // Whether there is again as much space as the largest write that failed needs.
  bool HasSpace() const;
  // Logs, and tells, when writing begins to fail and when it works again.
  void NoteWriting(const absl::Status& status, size_t bytes);

  const Options options_;
  const std::string path_;
  std::unique_ptr<Database> database_;  // the writer thread's, after Load; null: damaged
  WatchList watches_;
  // The writer thread's:
  absl::Status writing_;      // OK, or why it fails
  size_t failed_bytes_ = 0;   // the largest write that the full disk has failed
  absl::Duration failed_at_;  // last; by the steady clock
  std::string repaired_;      // as Writing::repaired
  int repairs_ = 0;           // that have put a new file in its place
  absl::Duration rewritten_at_ = -absl::InfiniteDuration();  // last tried; by the steady clock
  metrics::LatencyHistogram commits_;

  mutable absl::Mutex memory_mu_;
  absl::btree_map<std::string, std::string> memory_ ABSL_GUARDED_BY(memory_mu_);

  mutable absl::Mutex queue_mu_;
  Group queue_ ABSL_GUARDED_BY(queue_mu_);
  bool closing_ ABSL_GUARDED_BY(queue_mu_) = false;
  StoreStats stats_ ABSL_GUARDED_BY(queue_mu_);  // all but `keys` and `commits`
  internal::SteadyCondVar news_;                 // of queue_ and closing_

  absl::Mutex told_mu_;
  WritingCallback on_writing_ ABSL_GUARDED_BY(told_mu_);
  Writing told_ ABSL_GUARDED_BY(told_mu_);

  std::thread writer_;  // last: it uses all the others
};

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_SQLITE_STORE_H_
