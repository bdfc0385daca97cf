// What happens when the disk is full, read-only or failing. The disk is a tmpfs of our
// own where this process may mount one; else the store's own limit stands in for it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/store/sqlite/scratch_dir.h"
#include "server/store/sqlite/sqlite_store.h"

namespace outpost::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kDiskBytes = 1 << 20;

bool may_mount = false;  // set by main

// A disk of kDiskBytes.
class SmallDisk {
 public:
  SmallDisk() {
    if (!may_mount) return;
    const std::string size = absl::StrCat("size=", kDiskBytes);
    mounted_ = mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, size.c_str()) == 0;
    EXPECT_TRUE(mounted_) << strerror(errno);
  }
  ~SmallDisk() {
    if (mounted_) umount2(dir_.path().c_str(), MNT_DETACH);
  }

  bool mounted() const { return mounted_; }
  const std::string& folder() const { return dir_.path(); }

  std::unique_ptr<SqliteStore> Open() {
    SqliteStore::Options options;
    if (!mounted_) options.max_bytes = kDiskBytes;
    options.try_again = absl::Milliseconds(50);
    auto store = SqliteStore::Open(dir_.File("state.db"), options);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

 private:
  ScratchDir dir_;
  bool mounted_ = false;
};

Batch Put(std::string key, size_t size, char fill = 'v') {
  return {{}, {{std::move(key), std::string(size, fill)}}};
}

// What OnWriting tells.
class Told {
 public:
  explicit Told(SqliteStore* store) : store_(store) {
    store_->OnWriting([this](const SqliteStore::Writing& writing) {
      absl::MutexLock lock(&mu_);
      told_.push_back(writing.status);
      repaired_ = writing.repaired;
    });
  }
  ~Told() { store_->OnWriting({}); }

  // The one with this number, once it is there.
  absl::Status Await(size_t number) {
    absl::MutexLock lock(&mu_);
    auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return told_.size() > number; };
    return mu_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(20))
               ? told_[number]
               : absl::DeadlineExceededError("nothing was told");
  }
  std::string repaired() {
    absl::MutexLock lock(&mu_);
    return repaired_;
  }
  size_t size() {
    absl::MutexLock lock(&mu_);
    return told_.size();
  }

 private:
  SqliteStore* const store_;
  absl::Mutex mu_;
  std::vector<absl::Status> told_ ABSL_GUARDED_BY(mu_);
  std::string repaired_ ABSL_GUARDED_BY(mu_);
};

void ExpectDiskFull(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("state.db"), HasSubstr("disk is full")));
}

TEST(SqliteStoreDiskTest, AWriteThatDoesNotFitChangesNothingAndTheStoreGoesOn) {
  SmallDisk disk;
  auto store = disk.Open();
  ASSERT_TRUE(store->WriteAndWait(Put("kept", 100)).ok());
  ExpectDiskFull(store->WriteAndWait({{}, {{"kept", "new"}, {"huge", std::string(4 << 20, 'x')}}}));
  EXPECT_EQ(store->Get("kept"), std::string(100, 'v'));
  EXPECT_EQ(store->Get("huge"), std::nullopt);
  absl::Status small = store->WriteAndWait(Put("small", 10));
  EXPECT_TRUE(small.ok()) << small;
  store.reset();
  store = disk.Open();
  EXPECT_EQ(store->stats().keys, 2u);
  EXPECT_EQ(store->Get("kept"), std::string(100, 'v'));
  EXPECT_EQ(store->Get("small"), std::string(10, 'v'));
}

TEST(SqliteStoreDiskTest, AHugeBatchDoesNotFailItsNeighbours) {
  SmallDisk disk;
  auto store = disk.Open();
  absl::BlockingCounter answered(4);
  std::vector<absl::Status> results(4);
  absl::Notification holding, release;
  store->Write({}, [&](const absl::Status&) {
    holding.Notify();
    release.WaitForNotification();
  });
  holding.WaitForNotification();
  auto write = [&](int i, Batch batch) {
    store->Write(std::move(batch), [&, i](absl::Status status) {
      results[i] = std::move(status);
      answered.DecrementCount();
    });
  };
  write(0, Put("before", 10));
  write(1, Put("huge", 4 << 20));
  write(2, {{{"huge", std::nullopt}}, {{"after", "1"}}});           // holds once "huge" has failed
  write(3, {{{"huge", std::string(4 << 20, 'v')}}, {{"x", "1"}}});  // does not
  release.Notify();
  answered.Wait();
  EXPECT_TRUE(results[0].ok()) << results[0];
  ExpectDiskFull(results[1]);
  EXPECT_TRUE(results[2].ok()) << results[2];
  EXPECT_EQ(results[3].code(), absl::StatusCode::kFailedPrecondition) << results[3];
  EXPECT_EQ(store->stats().keys, 2u);
  EXPECT_EQ(store->stats().failed_writes, 1u);
}

TEST(SqliteStoreDiskTest, AnothersFileThatFillsTheDiskIsNoticedAndItsRemovalToo) {
  if (!may_mount) GTEST_SKIP() << "needs a disk of its own";
  SmallDisk disk;
  auto store = disk.Open();
  ASSERT_TRUE(store->WriteAndWait(Put("first", 10)).ok());
  const std::string ballast = disk.folder() + "/ballast";
  const int fd = open(ballast.c_str(), O_WRONLY | O_CREAT, 0600);
  const std::string block(4096, 'b');
  while (write(fd, block.data(), block.size()) > 0) {
  }
  close(fd);
  Told told(store.get());
  ExpectDiskFull(store->WriteAndWait(Put("k", 200'000)));
  ExpectDiskFull(told.Await(0));
  EXPECT_EQ(store->Get("k"), std::nullopt);
  // It does not say that all is well because little would still find its place.
  const std::string less = disk.folder() + "/less";
  ASSERT_EQ(rename(ballast.c_str(), less.c_str()), 0);
  ASSERT_EQ(truncate(less.c_str(), std::filesystem::file_size(less) - 100'000), 0);
  (void)store->WriteAndWait(Put("small", 10));
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(told.size(), 1u);
  // Nobody writes: it finds out by itself.
  ASSERT_EQ(unlink(less.c_str()), 0);
  EXPECT_TRUE(told.Await(1).ok()) << told.Await(1);
  EXPECT_EQ(told.size(), 2u);
  absl::Status status = store->WriteAndWait(Put("k", 200'000));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(SqliteStoreDiskTest, ANewStoreOnAFullDiskIsRefusedAndLeavesNothing) {
  if (!may_mount) GTEST_SKIP() << "needs a disk of its own";
  SmallDisk disk;
  const int fd = open((disk.folder() + "/ballast").c_str(), O_WRONLY | O_CREAT, 0600);
  const std::string block(4096, 'b');
  while (write(fd, block.data(), block.size()) > 0) {
  }
  close(fd);
  auto store = SqliteStore::Open(disk.folder() + "/state.db");
  ASSERT_FALSE(store.ok());
  ExpectDiskFull(store.status());
  EXPECT_FALSE(std::filesystem::exists(disk.folder() + "/state.db"));
  EXPECT_FALSE(std::filesystem::exists(disk.folder() + "/state.db.new"));
}

TEST(SqliteStoreDiskTest, TheLimitOfTheStoreIsKeptAndRemovingKeysMakesRoom) {
  ScratchDir dir;
  SqliteStore::Options options;
  options.max_bytes = 256 << 10;
  auto opened = SqliteStore::Open(dir.File("state.db"), options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  auto& store = *opened;
  int written = 0;
  absl::Status status;
  while ((status = store->WriteAndWait(Put(absl::StrCat("k", written), 20'000))).ok()) {
    ASSERT_LT(++written, 20) << "the limit is not kept";
  }
  ExpectDiskFull(status);
  EXPECT_THAT(std::string(status.message()), HasSubstr("limit of 262144 bytes"));
  EXPECT_GT(written, 5);
  EXPECT_EQ(store->stats().keys, size_t(written));
  ASSERT_TRUE(store->WriteAndWait({{}, {{"k0", std::nullopt}}}).ok());
  status = store->WriteAndWait(Put("new", 19'000));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(SqliteStoreDiskTest, AReadOnlyPlaceIsRefusedAtOpen) {
  SmallDisk disk;
  disk.Open().reset();
  if (disk.mounted()) {
    ASSERT_EQ(mount("", disk.folder().c_str(), "", MS_REMOUNT | MS_RDONLY, ""), 0)
        << strerror(errno);
  } else if (geteuid() != 0) {
    ASSERT_EQ(chmod((disk.folder() + "/state.db").c_str(), 0400), 0);
  } else {
    GTEST_SKIP() << "the superuser of a sandbox that may not mount can write everywhere";
  }
  auto store = SqliteStore::Open(disk.folder() + "/state.db");
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable) << store.status();
  EXPECT_THAT(std::string(store.status().message()),
              AllOf(HasSubstr("state.db"), HasSubstr("read")));
}

// Beyond the limit of RLIMIT_FSIZE the kernel fails a write with EFBIG: an I/O error that
// is not a full disk.
TEST(SqliteStoreDiskTest, AnIoErrorIsReportedWithSqlitesWordsAndTheStoreRecovers) {
  ScratchDir dir;
  auto store = SqliteStore::Open(dir.File("state.db"));
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->WriteAndWait(Put("first", 10)).ok());

  struct rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit tight = before;
  tight.rlim_cur = std::filesystem::file_size(dir.File("state.db-wal"));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  std::optional<Told> told(store->get());
  absl::Status status = (*store)->WriteAndWait(Put("second", 10));
  EXPECT_EQ(told->Await(0).code(), absl::StatusCode::kUnavailable) << told->Await(0);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(told->Await(1).ok()) << told->Await(1);

  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("state.db"), HasSubstr("disk I/O error"), HasSubstr("File too large")));
  EXPECT_EQ((*store)->Get("second"), std::nullopt);
  status = (*store)->WriteAndWait(Put("third", 10));
  EXPECT_TRUE(status.ok()) << status;
  told.reset();
  store->reset();
  store = SqliteStore::Open(dir.File("state.db"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->Get("second"), std::nullopt);
  EXPECT_EQ((*store)->stats().keys, 2u);
}

// A store of more than SQLite keeps in its memory, in which what it has looked at longest ago is
// overwritten while it is open.
class DamagedUnderIt {
 public:
  static constexpr int kKeys = 4000;

  DamagedUnderIt() {
    {
      auto store = SqliteStore::Open(path_);
      EXPECT_TRUE(store.ok()) << store.status();
      for (int i = 0; i < kKeys; ++i) (*store)->Write(Put(Key(i), 1200), [](const auto&) {});
    }
    SqliteStore::Options options;
    options.try_again = absl::Milliseconds(50);
    auto opened = SqliteStore::Open(path_, options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    fd_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    Damage();
  }
  ~DamagedUnderIt() {
    store_.reset();
    close(fd_);  // before, this would end SQLite's locks
  }

  static std::string Key(int number) { return absl::StrCat("key", 10'000 + number); }

  void Damage() {
    const std::string bytes(size_t{1000} * 4096, '\x5a');
    EXPECT_EQ(pwrite(fd_, bytes.data(), bytes.size(), off_t{3} * 4096), ssize_t(bytes.size()));
  }

  const std::string& folder() const { return dir_.path(); }
  std::string kept() const { return path_ + ".before-recovery.1"; }
  SqliteStore& store() { return *store_; }
  void Reopen() {
    store_.reset();
    auto opened = SqliteStore::Open(path_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

 private:
  ScratchDir dir_;
  const std::string path_ = dir_.File("state.db");
  std::unique_ptr<SqliteStore> store_;
  int fd_;
};

TEST(SqliteStoreDiskTest, APageThatIsDamagedUnderItIsWrittenAnewWithAllElse) {
  DamagedUnderIt damaged;
  std::optional<Told> told(&damaged.store());
  for (int i = 0; i < 100; ++i) {
    const absl::Status status = damaged.store().WriteAndWait(Put(damaged.Key(i), 1200, 'w'));
    ASSERT_TRUE(status.ok()) << status;
  }
  EXPECT_TRUE(told->Await(0).ok()) << told->Await(0);
  EXPECT_THAT(told->repaired(), AllOf(HasSubstr("found damaged"), HasSubstr(damaged.kept())));
  EXPECT_TRUE(std::filesystem::exists(damaged.kept()));
  told.reset();
  damaged.Reopen();
  EXPECT_EQ(damaged.store().stats().keys, size_t{DamagedUnderIt::kKeys});
  EXPECT_EQ(damaged.store().Get(damaged.Key(0)), std::string(1200, 'w'));
  EXPECT_EQ(damaged.store().Get(damaged.Key(99)), std::string(1200, 'w'));
  EXPECT_EQ(damaged.store().Get(damaged.Key(100)), std::string(1200, 'v'));
}

TEST(SqliteStoreDiskTest, WhereItCanNotBeWrittenAnewWritesAreRefusedUntilItCan) {
  DamagedUnderIt damaged;
  Told told(&damaged.store());
  // In the way of the new file.
  const std::string obstacle = damaged.folder() + "/state.db.recovering";
  std::filesystem::create_directory(obstacle);
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    status = damaged.store().WriteAndWait(Put(damaged.Key(i), 1200, 'w'));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("state.db: is damaged ("), HasSubstr("nor can it be written anew")));
  EXPECT_EQ(told.Await(0).code(), absl::StatusCode::kDataLoss) << told.Await(0);
  EXPECT_EQ(damaged.store().stats().keys, size_t{DamagedUnderIt::kKeys});
  std::filesystem::remove(obstacle);
  // Nobody writes: it tries again by itself.
  EXPECT_TRUE(told.Await(1).ok()) << told.Await(1);
  status = damaged.store().WriteAndWait(Put("new", 10));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(SqliteStoreDiskTest, WhoWritesOnDoesNotPutOffTheRepair) {
  DamagedUnderIt damaged;
  const std::string obstacle = damaged.folder() + "/state.db.recovering";
  std::filesystem::create_directory(obstacle);
  absl::Status status;
  int i = 0;
  while (i < 100 && status.ok()) {
    status = damaged.store().WriteAndWait(Put(damaged.Key(i++), 1200, 'w'));
  }
  ASSERT_FALSE(status.ok());
  std::filesystem::remove(obstacle);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!status.ok() && absl::Now() < deadline) {
    status = damaged.store().WriteAndWait(Put(damaged.Key(i), 1200, 'w'));
  }
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace

// A mount namespace of this process alone, so that its mounts end with it.
bool EnterOwnMountNamespace() {
  return unshare(CLONE_NEWNS) == 0 && mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace outpost::store

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::signal(SIGXFSZ, SIG_IGN);
  outpost::store::may_mount = outpost::store::EnterOwnMountNamespace();
  return RUN_ALL_TESTS();
}
