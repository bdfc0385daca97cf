#include "server/cluster/structure_parts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/event/thread_role.h"

namespace outpost::cluster {
namespace {

using Part = StructureParts::Part;

absl::Status About(const Snapshot& snapshot, const Part& part, const absl::Status& status) {
  return {status.code(), absl::StrCat("structure \"", snapshot.name, "\", path \"", part.path,
                                      "\": ", status.message())};
}

// The last step: `text` is what the path names.
void Finish(const Snapshot& snapshot, const Part& part, absl::string_view text,
            StructureParts::Done& done) {
  if (part.fields.empty()) return done(text);
  const absl::StatusOr<std::string> selected = SelectFields(text, part.fields);
  if (!selected.ok()) return done(About(snapshot, part, selected.status()));
  done(absl::string_view(*selected));
}

}  // namespace

StructureParts::StructureParts(size_t max_index_bytes)
    : max_index_bytes_(max_index_bytes), thread_([this] { Run(); }) {}

StructureParts::~StructureParts() { Stop(); }

void StructureParts::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void StructureParts::Run() {
  event::NameThread("structures");
  const auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stopping_ || !jobs_.empty(); };
  while (true) {
    Job job;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(&due));
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

bool StructureParts::Enqueue(Job job) {
  if (stopping_ || jobs_.size() >= kMaxWaiting) return false;
  jobs_.push_back(std::move(job));
  return true;
}

void StructureParts::Read(const SnapshotPtr& snapshot, const Part& part, Done done) {
  std::shared_ptr<const StructureIndex> index;
  if (snapshot->json.size() < kQuick) {
    static const auto* const none = new StructureIndex();
    index = std::shared_ptr<const StructureIndex>(none, [](const StructureIndex*) {});
  } else {
    index = Known(snapshot);
  }
  if (index != nullptr) {
    const absl::StatusOr<absl::string_view> text = index->Find(snapshot->json, part.path);
    if (!text.ok()) return done(About(*snapshot, part, text.status()));
    if (part.fields.empty() || text->size() < kQuick) {
      return Finish(*snapshot, part, *text, done);
    }
  }
  auto shared_done = std::make_shared<Done>(std::move(done));
  Job read = [this, snapshot, part, shared_done] {
    if (stopping()) return (*shared_done)(absl::CancelledError("the manager stops"));
    std::shared_ptr<const StructureIndex> index = Known(snapshot);
    if (index == nullptr) index = Make(snapshot);
    const absl::StatusOr<absl::string_view> text = index->Find(snapshot->json, part.path);
    if (!text.ok()) return (*shared_done)(About(*snapshot, part, text.status()));
    Finish(*snapshot, part, *text, *shared_done);
  };
  {
    absl::MutexLock lock(&mu_);
    if (Enqueue(std::move(read))) return;
  }
  if (stopping()) return (*shared_done)(absl::CancelledError("the manager stops"));
  (*shared_done)(About(*snapshot, part,
                       absl::ResourceExhaustedError(absl::StrCat(
                           kMaxWaiting, " reads of parts wait already; try again later"))));
}

bool StructureParts::stopping() const {
  absl::MutexLock lock(&mu_);
  return stopping_;
}

std::shared_ptr<const StructureIndex> StructureParts::Known(const SnapshotPtr& snapshot) {
  absl::MutexLock lock(&mu_);
  const auto it = indexed_.find(snapshot->name);
  if (it == indexed_.end() || it->second.snapshot != snapshot || it->second.index == nullptr) {
    return nullptr;
  }
  it->second.last_read = ++reads_;
  return it->second.index;
}

std::shared_ptr<const StructureIndex> StructureParts::Make(const SnapshotPtr& snapshot) {
  auto index = std::make_shared<const StructureIndex>(snapshot->json);
  absl::MutexLock lock(&mu_);
  const auto it = indexed_.find(snapshot->name);
  // A read may still be about an older version: that needs no index again.
  if (it == indexed_.end() || it->second.snapshot->version <= snapshot->version) {
    Keep(snapshot, index, ++reads_);
  }
  return index;
}

void StructureParts::MakeAgain(const std::string& name) {
  SnapshotPtr snapshot;
  {
    absl::MutexLock lock(&mu_);
    const auto it = indexed_.find(name);
    if (it == indexed_.end() || it->second.index != nullptr || stopping_) return;
    snapshot = it->second.snapshot;
  }
  auto index = std::make_shared<const StructureIndex>(snapshot->json);
  absl::MutexLock lock(&mu_);
  const auto it = indexed_.find(name);
  if (it == indexed_.end() || it->second.index != nullptr) return;
  // It changes faster than an index is made: only a read will want one.
  if (it->second.snapshot != snapshot) return Drop(it);
  Keep(snapshot, std::move(index), 0);
}

void StructureParts::Drop(Iterator it) {
  if (it->second.index != nullptr) index_bytes_ -= it->second.index->bytes();
  indexed_.erase(it);
}

void StructureParts::Keep(const SnapshotPtr& snapshot, std::shared_ptr<const StructureIndex> index,
                          uint64_t last_read) {
  ++made_;
  if (const auto it = indexed_.find(snapshot->name); it != indexed_.end()) Drop(it);
  index_bytes_ += index->bytes();
  indexed_[snapshot->name] = {
      .snapshot = snapshot, .index = std::move(index), .last_read = last_read};
  while (index_bytes_ > max_index_bytes_) {
    Drop(std::min_element(indexed_.begin(), indexed_.end(), [](const auto& a, const auto& b) {
      return a.second.last_read < b.second.last_read;
    }));
  }
}

void StructureParts::Published(const SnapshotPtr& snapshot) {
  absl::MutexLock lock(&mu_);
  const auto it = indexed_.find(snapshot->name);
  if (it == indexed_.end()) return;
  Indexed& indexed = it->second;
  if (indexed.index == nullptr) {
    indexed.snapshot = snapshot;  // whoever waits in line takes this one
    return;
  }
  const std::string name = snapshot->name;
  if (indexed.last_read == 0 || snapshot->json.size() < kQuick ||
      !Enqueue([this, name] { MakeAgain(name); })) {
    return Drop(it);
  }
  index_bytes_ -= indexed.index->bytes();
  indexed = {.snapshot = snapshot, .index = nullptr, .last_read = 0};
}

void StructureParts::Removed(absl::string_view name) {
  absl::MutexLock lock(&mu_);
  const auto it = indexed_.find(std::string(name));
  if (it != indexed_.end()) Drop(it);
}

size_t StructureParts::index_bytes() const {
  absl::MutexLock lock(&mu_);
  return index_bytes_;
}

uint64_t StructureParts::indexes_made() const {
  absl::MutexLock lock(&mu_);
  return made_;
}

}  // namespace outpost::cluster
