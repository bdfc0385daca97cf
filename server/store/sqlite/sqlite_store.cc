#include "server/store/sqlite/sqlite_store.h"

#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/log/log.h"

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

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               Options options) {
  Database::Settings settings;
  settings.max_bytes = options.max_bytes;
  settings.lock_wait = options.lock_wait;
  auto database = Database::Open(path, settings);
  if (!database.ok()) return database.status();
  std::unique_ptr<SqliteStore> store(new SqliteStore(*std::move(database), options));
  if (absl::Status status = store->Load(); !status.ok()) return status;
  store->writer_ = std::thread([raw = store.get()] { raw->WriterLoop(); });
  return store;
}

SqliteStore::SqliteStore(std::unique_ptr<Database> database, Options options)
    : options_(options), database_(std::move(database)) {}

SqliteStore::~SqliteStore() {
  {
    absl::MutexLock lock(&queue_mu_);
    closing_ = true;
  }
  if (writer_.joinable()) writer_.join();
}

absl::Status SqliteStore::Load() {
  absl::MutexLock lock(&memory_mu_);
  auto& memory = memory_;
  return database_->Load([&memory](std::string key, std::string value) {
    memory.emplace_hint(memory.end(), std::move(key), std::move(value));
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
    refused = absl::InvalidArgumentError(
        absl::StrCat("state store ", database_->path(), ": a key is empty"));
  } else {
    absl::MutexLock lock(&queue_mu_);
    if (closing_) {
      refused = absl::UnavailableError(
          absl::StrCat("state store ", database_->path(), ": is being closed"));
    } else if (stats_.queued_batches >= options_.max_queued_batches ||
               bytes > options_.max_queued_bytes - stats_.queued_bytes) {
      ++stats_.failed_writes;
      refused = absl::ResourceExhaustedError(
          absl::StrCat("state store ", database_->path(), ": a write of ", bytes,
                       " bytes does not fit into the queue (", stats_.queued_batches,
                       " writes and ", stats_.queued_bytes, " bytes wait for the disk; at most ",
                       options_.max_queued_batches, " and ", options_.max_queued_bytes, ")"));
    } else {
      ++stats_.queued_batches;
      stats_.queued_bytes += bytes;
      queue_.push_back({std::move(batch), std::move(done), bytes, absl::OkStatus()});
      return;
    }
  }
  done(std::move(refused));
}

void SqliteStore::WriterLoop() {
  while (true) {
    Group group = TakeGroup();
    if (group.empty()) return;
    WriteGroup(group);
  }
}

SqliteStore::Group SqliteStore::TakeGroup() {
  absl::MutexLock lock(&queue_mu_);
  auto ready = [this]()
                   ABSL_EXCLUSIVE_LOCKS_REQUIRED(queue_mu_) { return closing_ || !queue_.empty(); };
  queue_mu_.Await(absl::Condition(&ready));
  return std::exchange(queue_, {});
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
    const auto& memory = memory_;
    auto holds = [&](const Condition& condition) {
      if (auto it = changed.find(condition.key); it != changed.end()) {
        return *it->second == condition.value;
      }
      auto it = memory.find(condition.key);
      if (it == memory.end()) return !condition.value.has_value();
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
      auto it = memory.find(key);
      const bool is_there = it != memory.end();
      const bool same = *value ? is_there && it->second == **value : !is_there;
      if (!same) changes.push_back({key, value});
    }
  }
  if (changes.empty()) return absl::OkStatus();  // the file holds all of it already

  const metrics::Clock::time_point began = metrics::Clock::now();
  absl::Status status = database_->Commit(changes);
  NoteDisk(status);
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

void SqliteStore::NoteDisk(const absl::Status& status) {
  if (status.ok() != disk_failed_) return;
  disk_failed_ = !status.ok();
  if (disk_failed_) {
    log::Get("store").error("writes fail: {}", std::string(status.message()));
  } else {
    log::Get("store").info("state store {}: writes work again", database_->path());
  }
}

}  // namespace outpost::store
