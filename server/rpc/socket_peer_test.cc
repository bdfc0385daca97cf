#include "server/rpc/socket_peer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>

namespace outpost::rpc {
namespace {

// A socket that nobody finds by a path.
class SocketPeerTest : public testing::Test {
 protected:
  SocketPeerTest() : listening_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un any = {};
    any.sun_family = AF_UNIX;
    EXPECT_EQ(bind(listening_, reinterpret_cast<sockaddr*>(&any), sizeof any.sun_family), 0);
    EXPECT_EQ(listen(listening_, 8), 0);
    size_ = sizeof address_;
    EXPECT_EQ(getsockname(listening_, reinterpret_cast<sockaddr*>(&address_), &size_), 0);
  }
  ~SocketPeerTest() override { close(listening_); }

  // In a child: it may do no more than the kernel does.
  int Connect() const {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return connect(fd, reinterpret_cast<const sockaddr*>(&address_), size_) == 0 ? fd : -1;
  }
  int Accept() const { return accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC); }

  int listening_;
  sockaddr_un address_ = {};
  socklen_t size_ = 0;
};

TEST_F(SocketPeerTest, WhoHasConnected) {
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (Connect() < 0) _exit(1);
    pause();
    _exit(0);
  }
  const int fd = Accept();
  const auto peer = PeerOfSocket(fd);
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->pid, child);
  EXPECT_EQ(peer->uid, geteuid());
  EXPECT_EQ(peer->session, child);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(fd);
}

// Another holds the connection of a process that is gone: its pid says nothing, it may be the
// pid of a module's process by now.
TEST_F(SocketPeerTest, WhoHasEndedIsNobody) {
  int hold[2];
  ASSERT_EQ(pipe(hold), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (Connect() < 0) _exit(1);
    if (fork() != 0) _exit(0);
    close(hold[1]);
    char byte = 0;
    (void)!read(hold[0], &byte, 1);  // until the test has ended
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const int fd = Accept();
  const auto peer = PeerOfSocket(fd);
  EXPECT_TRUE(absl::IsNotFound(peer.status())) << peer.status();
  close(fd);
  close(hold[0]);
  close(hold[1]);
}

TEST_F(SocketPeerTest, WithoutThatOfTheKernelASessionIsItsLeadersUsers) {
  EXPECT_EQ(SessionByUser(getpid(), geteuid()), getsid(0));
  EXPECT_EQ(SessionByUser(getpid(), geteuid() + 1), 0);
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  ASSERT_EQ(waitpid(gone, nullptr, 0), gone);
  EXPECT_EQ(SessionByUser(gone, geteuid()), 0);
}

TEST_F(SocketPeerTest, WhatIsNoConnection) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_FALSE(PeerOfSocket(ends[0]).ok());
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace outpost::rpc
