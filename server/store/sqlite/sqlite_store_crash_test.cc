// A process that writes is killed at any moment: what it was told is durable must be
// there, and each batch whole or not at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite/scratch_dir.h"
#include "server/store/sqlite/sqlite_store.h"

extern char** environ;

namespace outpost::store {
namespace {

constexpr char kWriterFlag[] = "--write-until-killed";
constexpr int kWriters = 8;

std::string Key(const char* half, uint64_t number) { return absl::StrCat(half, "/", number); }

// The value of key `number`: of different sizes, so that pages split and overflow.
std::string Value(uint64_t number) {
  return absl::StrCat(number, ":", std::string(number * 37 % 6000, 'v'));
}

// The child: writes batches of two keys, and puts the number of each that was
// acknowledged on standard output. `first` is the first number.
int WriteUntilKilled(const std::string& path, uint64_t first) {
  auto store = SqliteStore::Open(path);
  if (!store.ok()) {
    fprintf(stderr, "%s\n", store.status().ToString().c_str());
    return 1;
  }
  std::vector<std::thread> threads;
  threads.reserve(kWriters);
  for (int t = 0; t < kWriters; ++t) {
    threads.emplace_back([&store, number = first + t]() mutable {
      for (;; number += kWriters) {
        Batch batch{{}, {{Key("a", number), Value(number)}, {Key("b", number), Value(number)}}};
        if (!(*store)->WriteAndWait(std::move(batch)).ok()) _exit(2);
        if (write(STDOUT_FILENO, &number, sizeof number) != sizeof number) _exit(3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

// Runs the child until it has acknowledged `count` writes, kills it, and returns all
// that it acknowledged.
std::vector<uint64_t> RunAndKill(const std::string& path, uint64_t first, size_t count) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  const std::string number = absl::StrCat(first);
  const char* arguments[] = {"writer", kWriterFlag, path.c_str(), number.c_str(), nullptr};
  pid_t child = 0;
  EXPECT_EQ(posix_spawn(&child, "/proc/self/exe", &actions, nullptr,
                        const_cast<char* const*>(arguments), environ),
            0);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);

  std::vector<uint64_t> acknowledged;
  uint64_t next;
  bool killed = false;
  while (read(ends[0], &next, sizeof next) == sizeof next) {
    acknowledged.push_back(next);
    if (!killed && acknowledged.size() >= count) {
      EXPECT_EQ(kill(child, SIGKILL), 0);
      killed = true;
    }
  }
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  return acknowledged;
}

TEST(SqliteStoreCrashTest, EveryAcknowledgedWriteSurvivesKill9) {
  ScratchDir dir;
  const std::string path = dir.File("state.db");
  std::vector<uint64_t> acknowledged;
  for (uint64_t round = 0; round < 8; ++round) {
    // Some rounds end before the first checkpoint (1000 pages), some after several.
    auto more = RunAndKill(path, round * 1'000'000, 20 + round * 150);
    ASSERT_GE(more.size(), 20 + round * 150);
    acknowledged.insert(acknowledged.end(), more.begin(), more.end());

    auto store = SqliteStore::Open(path);
    ASSERT_TRUE(store.ok()) << store.status();
    for (uint64_t number : acknowledged) {
      ASSERT_EQ((*store)->Get(Key("a", number)), Value(number)) << number;
      ASSERT_EQ((*store)->Get(Key("b", number)), Value(number)) << number;
    }
    // What was on its way when the process died is there as a whole, or not at all.
    const auto first_halves = (*store)->List("a/");
    EXPECT_EQ(first_halves.size(), (*store)->List("b/").size());
    EXPECT_GE(first_halves.size(), acknowledged.size());
    for (const auto& [key, value] : first_halves) {
      EXPECT_EQ((*store)->Get("b" + key.substr(1)), value) << key;
    }
  }
}

}  // namespace

int WriterMain(char** argv) {
  return WriteUntilKilled(argv[2], std::strtoull(argv[3], nullptr, 10));
}

}  // namespace outpost::store

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == outpost::store::kWriterFlag) {
    return outpost::store::WriterMain(argv);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
