#include "server/store/sqlite/sqlite_store.h"

#include <sys/statvfs.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/event/moment.h"
#include "server/event/thread_role.h"
#include "server/log/log.h"
#include "server/store/sqlite/recovery.h"

namespace outpost::store {
namespace {

size_t Size(const Batch& batch) {
  size_t bytes = 0;
  auto add = [&bytes](const auto& item) {
    bytes += item.key.size() + (item.value ? item.value->size() : 0);
  };
  for (const Condition& condition : batch.conditions) add(condition);
  for (const Change& change : batch.changes) add(change);
  return bytes;
}

bool HasEmptyKey(const Batch& batch) {
  for (const Condition& condition : batch.conditions) {
    if (condition.key.empty()) return true;
  }
  for (const Change& change : batch.changes) {
    if (change.key.empty()) return true;
  }
  return false;
}

// Of the file, while it is open.
constexpr int kMostRepairs = 3;

// What is asked to be free before a full disk is said to be none: what a write may hold at most.
constexpr uint64_t kMostSpace = uint64_t{8} << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               Options options) {
  auto database = Database::Open(path, {options.max_bytes, options.lock_wait});
  if (!database.ok()) return database.status();
  std::unique_ptr<SqliteStore> store(new SqliteStore(*std::move(database), options));
  if (absl::Status status = store->Load(); !status.ok()) return status;
  store->writer_ = std::thread([raw = store.get()] { raw->WriterLoop(); });
  return store;
}

SqliteStore::SqliteStore(std::unique_ptr<Database> database, Options options)
    : options_(options), path_(database->path()), database_(std::move(database)) {}

SqliteStore::~SqliteStore() {
  {
    absl::MutexLock lock(&queue_mu_);
    closing_ = true;
  }
  news_.Signal();
  if (writer_.joinable()) writer_.join();
}

absl::Status SqliteStore::Load() {
  absl::MutexLock lock(&memory_mu_);
  return database_->Load([this](std::string key, std::string value) {
    memory_mu_.AssertHeld();
    memory_.emplace_hint(memory_.end(), std::move(key), std::move(value));
  });
}

std::optional<std::string> SqliteStore::Get(absl::string_view key) const {
  absl::ReaderMutexLock lock(&memory_mu_);
  auto it = memory_.find(key);
  if (it == memory_.end()) return std::nullopt;
  return it->second;
}

std::vector<std::pair<std::string, std::string>> SqliteStore::List(absl::string_view prefix) const {
  std::vector<std::pair<std::string, std::string>> entries;
  absl::ReaderMutexLock lock(&memory_mu_);
  for (auto it = memory_.lower_bound(prefix);
       it != memory_.end() && absl::StartsWith(it->first, prefix); ++it) {
    entries.emplace_back(it->first, it->second);
  }
  return entries;
}

std::unique_ptr<WatchHandle> SqliteStore::Watch(absl::string_view prefix, WatchCallback callback) {
  return watches_.Add(prefix, std::move(callback));
}

StoreStats SqliteStore::stats() const {
  StoreStats stats;
  {
    absl::MutexLock lock(&queue_mu_);
    stats = stats_;
  }
  stats.commits = commits_.snapshot();
  absl::ReaderMutexLock lock(&memory_mu_);
  stats.keys = memory_.size();
  return stats;
}

void SqliteStore::Write(Batch batch, WriteDone done) {
  const size_t bytes = Size(batch);
  absl::Status refused;
  if (HasEmptyKey(batch)) {
    refused = absl::InvalidArgumentError(absl::StrCat("state store ", path_, ": a key is empty"));
  } else {
    absl::MutexLock lock(&queue_mu_);
    if (closing_) {
      refused = absl::UnavailableError(absl::StrCat("state store ", path_, ": is being closed"));
    } else if (stats_.queued_batches >= options_.max_queued_batches ||
               bytes > options_.max_queued_bytes - stats_.queued_bytes) {
      ++stats_.failed_writes;
      refused = absl::ResourceExhaustedError(
          absl::StrCat("state store ", path_, ": a write of ", bytes,
                       " bytes does not fit into the queue (", stats_.queued_batches,
                       " writes and ", stats_.queued_bytes, " bytes wait for the disk; at most ",
                       options_.max_queued_batches, " and ", options_.max_queued_bytes, ")"));
    } else {
      ++stats_.queued_batches;
      stats_.queued_bytes += bytes;
      queue_.push_back({std::move(batch), std::move(done), bytes, absl::OkStatus()});
      news_.Signal();
      return;
    }
  }
  done(std::move(refused));
}

void SqliteStore::WriterLoop() {
  event::NameThread("store");
  while (true) {
    Group group = TakeGroup();
    if (!group.empty()) {
      WriteGroup(group);
    } else if (Closed()) {
      return;
    } else if (HasSpace()) {
      NoteWriting(TryToWrite(), 0);
    }
  }
}

SqliteStore::Group SqliteStore::TakeGroup() {
  const bool tries = !writing_.ok();
  absl::Duration left = tries ? options_.try_again : absl::InfiniteDuration();
  const absl::Duration end = event::Moment::Now().steady + left;
  absl::MutexLock lock(&queue_mu_);
  while (!closing_ && queue_.empty() && left > absl::ZeroDuration()) {
    news_.Wait(&queue_mu_, left);
    left = tries ? end - event::Moment::Now().steady : left;
  }
  return std::exchange(queue_, {});
}

bool SqliteStore::Closed() const {
  absl::MutexLock lock(&queue_mu_);
  return closing_ && queue_.empty();
}

void SqliteStore::WriteGroup(Group& group) {
  Pending* const begin = group.data();
  Pending* const end = begin + group.size();
  absl::Status together = CommitBatches(begin, end);
  if (!together.ok()) {
    for (Pending* one = begin; one != end; ++one) {
      absl::Status alone = group.size() == 1 ? together : CommitBatches(one, one + 1);
      if (!alone.ok()) one->status = std::move(alone);
    }
  }

  uint64_t written = 0, failed = 0;
  size_t bytes = 0;
  for (const Pending& pending : group) {
    bytes += pending.bytes;
    if (pending.status.ok()) {
      ++written;
    } else if (!absl::IsFailedPrecondition(pending.status)) {
      ++failed;
    }
  }
  {
    absl::MutexLock lock(&queue_mu_);
    stats_.queued_batches -= group.size();
    stats_.queued_bytes -= bytes;
    stats_.writes += written;
    stats_.failed_writes += failed;
  }
  for (Pending& pending : group) {
    if (pending.status.ok()) {
      for (const Change& change : pending.batch.changes) watches_.Deliver(change);
    }
    pending.done(std::move(pending.status));
  }
}

absl::Status SqliteStore::CommitBatches(Pending* begin, Pending* end) {
  // The newest value of each key that the batches change; they outlive it.
  absl::btree_map<absl::string_view, const std::optional<std::string>*> changed;
  std::vector<ChangeRef> changes;
  {
    absl::ReaderMutexLock lock(&memory_mu_);
    auto holds = [&](const Condition& condition) {
      memory_mu_.AssertReaderHeld();
      if (auto it = changed.find(condition.key); it != changed.end()) {
        return *it->second == condition.value;
      }
      auto it = memory_.find(condition.key);
      if (it == memory_.end()) return !condition.value.has_value();
      return condition.value.has_value() && it->second == *condition.value;
    };
    for (Pending* pending = begin; pending != end; ++pending) {
      pending->status = absl::OkStatus();
      for (const Condition& condition : pending->batch.conditions) {
        if (holds(condition)) continue;
        pending->status = absl::FailedPreconditionError(condition.key);
        break;
      }
      if (!pending->status.ok()) continue;
      for (const Change& change : pending->batch.changes) {
        changed.insert_or_assign(change.key, &change.value);
      }
    }
    for (const auto& [key, value] : changed) {
      auto it = memory_.find(key);
      const bool is_there = it != memory_.end();
      const bool same = *value ? is_there && it->second == **value : !is_there;
      if (!same) changes.push_back({key, value});
    }
  }
  if (changes.empty()) return absl::OkStatus();  // the file holds all of it already

  const metrics::Clock::time_point began = metrics::Clock::now();
  absl::Status status = Commit(changes);
  size_t bytes = 0;
  for (const ChangeRef& change : changes) {
    bytes += change.key.size() + (*change.value ? (*change.value)->size() : 0);
  }
  NoteWriting(status, bytes);
  if (!status.ok()) {
    return absl::IsResourceExhausted(status) ? status : absl::UnavailableError(status.message());
  }
  commits_.Add(metrics::Clock::now() - began);
  absl::MutexLock lock(&memory_mu_);
  for (const ChangeRef& change : changes) {
    if (*change.value) {
      memory_.insert_or_assign(std::string(change.key), **change.value);
    } else {
      memory_.erase(change.key);
    }
  }
  return status;
}

absl::Status SqliteStore::Commit(const std::vector<ChangeRef>& changes) {
  absl::Status status = database_ == nullptr ? writing_ : database_->Commit(changes);
  if (!absl::IsDataLoss(status)) return status;
  status = WriteAnew(status);
  return status.ok() ? database_->Commit(changes) : status;
}

absl::Status SqliteStore::TryToWrite() {
  if (!absl::IsDataLoss(writing_)) return database_->TryToWrite();
  const absl::Status damage = database_ == nullptr ? writing_ : database_->TryToWrite();
  return absl::IsDataLoss(damage) ? WriteAnew(damage) : damage;
}

absl::Status SqliteStore::WriteAnew(const absl::Status& damage) {
  // Who comes to this again and again has a disk that can't be helped so.
  if (repairs_ == kMostRepairs) return damage;
  const absl::Duration now = event::Moment::Now().steady;
  if (!writing_.ok() && now - rewritten_at_ < options_.try_again) return damage;
  rewritten_at_ = now;
  log::Get("store").error("{}; it is written anew from memory", std::string(damage.message()));
  database_.reset();
  const auto kept = ReplaceStore(path_, List(""));
  if (!kept.ok()) {
    return absl::DataLossError(
        absl::StrCat(damage.message(), "; nor can it be written anew: ", kept.status().message()));
  }
  ++repairs_;
  auto database = Database::Open(path_, {options_.max_bytes, options_.lock_wait});
  if (!database.ok()) return absl::DataLossError(database.status().message());
  database_ = *std::move(database);
  repaired_ = absl::StrCat("state store ", path_,
                           ": was found damaged, and has been written anew from memory: nothing is "
                           "lost; what was there is kept as ",
                           *kept, ": look at the disk, then remove it");
  log::Get("store").error("{}", repaired_);
  return absl::OkStatus();
}

bool SqliteStore::HasSpace() const {
  struct statvfs info;
  if (!absl::IsResourceExhausted(writing_) || statvfs(path_.c_str(), &info) != 0) {
    return true;
  }
  // Its pages, and a log of them.
  return info.f_bavail * info.f_frsize >= 2 * std::min<uint64_t>(failed_bytes_, kMostSpace);
}

void SqliteStore::NoteWriting(const absl::Status& status, size_t bytes) {
  const absl::Duration now = event::Moment::Now().steady;
  absl::Status next = status;
  if (!status.ok()) {
    failed_at_ = now;
    failed_bytes_ = std::max(failed_bytes_, bytes);
    if (status.code() == writing_.code()) next = writing_;
  } else if (!writing_.ok() && (now - failed_at_ < options_.try_again || !HasSpace())) {
    // A small write may well have its place where a larger one has none.
    next = writing_;
  }
  if (next.ok() != writing_.ok()) {
    if (next.ok()) {
      log::Get("store").info("state store {}: writes work again", path_);
      failed_bytes_ = 0;
    } else {
      log::Get("store").error("writes fail: {}", std::string(next.message()));
    }
  }
  writing_ = std::move(next);
  absl::MutexLock lock(&told_mu_);
  if (told_.status == writing_ && told_.repaired == repaired_) return;
  told_ = {writing_, repaired_};
  if (on_writing_) on_writing_(told_);
}

void SqliteStore::OnWriting(WritingCallback callback) {
  absl::MutexLock lock(&told_mu_);
  on_writing_ = std::move(callback);
  if (on_writing_ && (!told_.status.ok() || !told_.repaired.empty())) on_writing_(told_);
}

}  // namespace outpost::store
