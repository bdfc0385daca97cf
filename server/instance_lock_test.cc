#include "server/instance_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite/scratch_dir.h"

namespace outpost {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class InstanceLockTest : public testing::Test {
 protected:
  // Sockets have relative paths here: that of the scratch directory may be too long.
  InstanceLockTest() { std::filesystem::current_path(scratch_.path()); }
  ~InstanceLockTest() override { std::filesystem::current_path("/"); }

  // A socket on `path` with room for no more than one connection; -1: failed.
  int Listen(const std::string& path) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd, 0), 0);
    return fd;
  }

  store::ScratchDir scratch_;
};

TEST_F(InstanceLockTest, TheSecondIsToldWhoHasIt) {
  auto first = InstanceLock::Take(scratch_.path());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(InstanceLock::Take(scratch_.path()).status(),
            absl::FailedPreconditionError(absl::StrCat(
                "the data directory ", scratch_.path(), " is in use by another manager (process ",
                getpid(), "); end that one, or choose another --data-dir")));
  first->reset();
  EXPECT_TRUE(InstanceLock::Take(scratch_.path()).ok());
}

TEST_F(InstanceLockTest, TheLockOfADeadProcessIsFree) {
  const pid_t child = fork();
  if (child == 0) _exit(InstanceLock::Take(scratch_.path()).ok() ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(InstanceLock::Take(scratch_.path()).ok());
  std::string pid;
  std::ifstream(scratch_.File("lock")) >> pid;
  EXPECT_EQ(pid, absl::StrCat(getpid()));
}

TEST_F(InstanceLockTest, AMissingDirectoryIsNamed) {
  EXPECT_EQ(InstanceLock::Take("/nonexistent").status(),
            absl::UnavailableError("/nonexistent/lock: No such file or directory"));
}

TEST_F(InstanceLockTest, ADirectoryIsMadeForItsOwnerOnly) {
  const std::string path = scratch_.File("a/b/c");
  ASSERT_TRUE(MakePrivateDirectory(path).ok());
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_TRUE(MakePrivateDirectory(path).ok()) << "it may be there";
  chmod(path.c_str(), 0755);
  EXPECT_TRUE(MakePrivateDirectory(path).ok()) << "others may read it";
  chmod(path.c_str(), 0770);
  EXPECT_EQ(MakePrivateDirectory(path),
            absl::PermissionDeniedError(absl::StrCat(
                path, " may be written to by others; mend it with: chmod 0700 ", path)));
  chmod(path.c_str(), 0702);
  EXPECT_TRUE(absl::IsPermissionDenied(MakePrivateDirectory(path)));
  std::ofstream(scratch_.File("file")) << "x";
  EXPECT_EQ(MakePrivateDirectory(scratch_.File("file")),
            absl::InvalidArgumentError(scratch_.File("file") + " is not a directory"));
  EXPECT_EQ(MakePrivateDirectory(scratch_.File("file/sub")),
            absl::UnavailableError(scratch_.File("file/sub") + ": Not a directory"));
}

TEST_F(InstanceLockTest, AStaleSocketIsTakenAwayAndALiveOneIsNot) {
  const std::string path = "s";
  EXPECT_TRUE(ClearSocket(path).ok()) << "there is none";
  const int live = Listen(path);
  const absl::Status refusal = absl::FailedPreconditionError(absl::StrCat(
      "another manager listens on ", path, "; end that one, or choose another --run-dir"));
  EXPECT_EQ(ClearSocket(path), refusal);
  // It accepts nobody, and its queue is full: it listens all the same.
  EXPECT_EQ(ClearSocket(path), refusal);
  EXPECT_EQ(ClearSocket(path), refusal);
  EXPECT_TRUE(std::filesystem::exists(path));
  close(live);
  EXPECT_TRUE(ClearSocket(path).ok());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(InstanceLockTest, WhatIsNoSocketStays) {
  const std::string path = "s";
  std::ofstream(path) << "precious";
  EXPECT_EQ(ClearSocket(path),
            absl::InvalidArgumentError(path + " is there and is no socket; move it away"));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(InstanceLockTest, APathThatIsTooLongForASocketIsTold) {
  const std::string fits(107, 'x');
  EXPECT_TRUE(ClearSocket("/" + fits.substr(1)).ok());
  const absl::Status status = ClearSocket("/" + fits);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), StartsWith("the socket's path /xxx"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(" has 108 bytes; at most 107 are possible: choose a shorter --run-dir"));
}

}  // namespace
}  // namespace outpost
