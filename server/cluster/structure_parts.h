// StructureParts reads parts of structures: by JSON Pointer, by the names of fields.
// For each structure that is read so it keeps an index of its newest version, made on
// a thread of its own, so that a part of a big structure costs no more than a small
// structure.
//
// **Thread safety.** All methods may be called from any thread; none blocks.
//
// **Invariants.**
// 1. Indexes take max_index_bytes at most; who was read longest ago goes first.
// 2. What takes long (the making of an index, fields of a big part) runs on the own
//    thread, and kMaxWaiting reads wait for it at most.
// 3. Each Read ends in one call of `done`. After Stop, those are CANCELLED.
#ifndef OUTPOST_SERVER_CLUSTER_STRUCTURE_PARTS_H_
#define OUTPOST_SERVER_CLUSTER_STRUCTURE_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/structure_index.h"

namespace outpost::cluster {

class StructureParts {
 public:
  static constexpr size_t kMaxIndexBytes = 64 << 20;
  static constexpr size_t kMaxWaiting = 1024;
  // Texts and parts below this size are read at once, on the caller's thread.
  static constexpr size_t kQuick = 16 << 10;

  // What of a structure; both may be empty.
  struct Part {
    std::string path = {};                 // an RFC 6901 JSON Pointer
    std::vector<std::string> fields = {};  // of an object, or of each object of an array
  };

  // The JSON text; valid only during the call. Errors name the structure and the path:
  // INVALID_ARGUMENT, NOT_FOUND (the message tells how much of the path there is),
  // RESOURCE_EXHAUSTED, CANCELLED.
  using Done = absl::AnyInvocable<void(absl::StatusOr<absl::string_view>)>;

  // `max_index_bytes`: for all indexes together.
  explicit StructureParts(size_t max_index_bytes = kMaxIndexBytes);
  ~StructureParts();
  StructureParts(const StructureParts&) = delete;
  StructureParts& operator=(const StructureParts&) = delete;

  // Calls `done` with a part of `snapshot`: on this thread before it returns, or on the
  // own one. It must not block.
  void Read(const SnapshotPtr& snapshot, const Part& part, Done done);

  // There is a newer version: the index of the older goes, and where that was in use the
  // new one's is made at once.
  void Published(const SnapshotPtr& snapshot);

  // There is no such structure any more.
  void Removed(absl::string_view name);

  // Ends the thread.
  void Stop();

  // How much memory the indexes take, about.
  size_t index_bytes() const;
  // How many indexes were made.
  uint64_t indexes_made() const;

 private:
  struct Indexed {
    SnapshotPtr snapshot;
    std::shared_ptr<const StructureIndex> index;  // null: it is being made
    uint64_t last_read = 0;                       // 0: not yet
  };
  using Job = absl::AnyInvocable<void()>;

  void Run();
  bool Enqueue(Job job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool stopping() const;
  // The index of `snapshot`, if there is one; marks it as read.
  std::shared_ptr<const StructureIndex> Known(const SnapshotPtr& snapshot);
  // For the own thread: makes the index of `snapshot`, which is being read; of the
  // present snapshot of a structure that was.
  std::shared_ptr<const StructureIndex> Make(const SnapshotPtr& snapshot);
  void MakeAgain(const std::string& name);
  void Keep(const SnapshotPtr& snapshot, std::shared_ptr<const StructureIndex> index,
            uint64_t last_read) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  using Iterator = std::map<std::string, Indexed>::iterator;
  void Drop(Iterator it) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const size_t max_index_bytes_;

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t reads_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t made_ ABSL_GUARDED_BY(mu_) = 0;
  size_t index_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, Indexed> indexed_ ABSL_GUARDED_BY(mu_);  // by structure
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // last: it uses the rest
};

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_STRUCTURE_PARTS_H_
