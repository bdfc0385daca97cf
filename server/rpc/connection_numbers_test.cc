#include "server/rpc/connection_numbers.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace outpost::rpc {
namespace {

using Standing = ConnectionNumbers::Standing;

class ConnectionNumbersTest : public testing::Test {
 protected:
  ConnectionNumbersTest() {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 4096));
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_GE(limit.rlim_cur, 2048U);
  }
  ~ConnectionNumbersTest() override {
    for (const int number : open_) close(number);
  }

  // A connection of `uid` is accepted. -1: it was closed.
  int Connect(uid_t uid, Standing standing) {
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_GE(fd, 0);
    auth::Peer peer;
    peer.proof = "uid " + std::to_string(uid);
    const int number = numbers_.Take({uid, ""}, standing,
                                     {std::make_shared<const auth::Peer>(std::move(peer)), 17}, fd);
    if (number != fd) close(fd);
    if (number >= 0) {
      EXPECT_TRUE(open_.insert(number).second) << "of a connection that is open";
    }
    return number;
  }
  void Disconnect(int number) {
    EXPECT_EQ(open_.erase(number), 1U);
    close(number);
  }
  std::string Whose(int number) const {
    const auto connection = numbers_.Of(number);
    return connection.peer == nullptr ? "" : connection.peer->proof;
  }

  ConnectionNumbers numbers_;
  std::set<int> open_;
};

TEST_F(ConnectionNumbersTest, WhatSomebodyWithRightsHadIsNobodyElses) {
  std::map<int, uid_t> of;
  for (int round = 0; round < 50; ++round) {
    const uid_t uid = 1000 + round % 5;
    const Standing standing = uid == 1000 ? Standing::kAdmin : Standing::kKnown;
    const int number = Connect(uid, standing);
    ASSERT_GE(number, 0);
    EXPECT_EQ(of.try_emplace(number, uid).first->second, uid);
    EXPECT_EQ(Whose(number), "uid " + std::to_string(uid));
    Disconnect(number);
  }
  EXPECT_EQ(of.size(), 5U);
  // Nor a stranger's, and a stranger's is not of somebody with rights.
  const int stranger = Connect(2000, Standing::kStranger);
  EXPECT_FALSE(of.contains(stranger));
  Disconnect(stranger);
  const int alice = Connect(1001, Standing::kKnown);
  EXPECT_NE(alice, stranger);
  EXPECT_EQ(Whose(stranger), "uid 2000");
  EXPECT_EQ(Whose(60000), "");
  EXPECT_EQ(Whose(-1), "");
}

TEST_F(ConnectionNumbersTest, AStrangerHasFewAndGetsThemBack) {
  std::vector<int> numbers;
  for (size_t i = 0; i < ConnectionNumbers::kMaxOfStranger; ++i) {
    numbers.push_back(Connect(2000, Standing::kStranger));
    ASSERT_GE(numbers.back(), 0);
  }
  EXPECT_EQ(Connect(2000, Standing::kStranger), -1);
  Disconnect(numbers[7]);
  EXPECT_EQ(Connect(2000, Standing::kStranger), numbers[7]);
  EXPECT_EQ(Connect(2000, Standing::kStranger), -1);
  EXPECT_GE(Connect(1001, Standing::kKnown), 0);
}

// A user with many uids does not use the numbers up, one after the other or all at once.
TEST_F(ConnectionNumbersTest, WhatStrangersHadIsOfOtherStrangers) {
  std::set<int> ever;
  for (uid_t uid = 100'000; uid < 100'500; ++uid) {
    std::vector<int> numbers;
    for (size_t i = 0; i < ConnectionNumbers::kMaxOfStranger; ++i) {
      numbers.push_back(Connect(uid, Standing::kStranger));
      ASSERT_GE(numbers.back(), 0) << uid;
      EXPECT_EQ(Whose(numbers.back()), "uid " + std::to_string(uid));
    }
    EXPECT_EQ(Connect(uid, Standing::kStranger), -1);
    ever.insert(numbers.begin(), numbers.end());
    for (const int number : numbers) Disconnect(number);
  }
  EXPECT_LE(ever.size(), 2 * ConnectionNumbers::kMaxOfStranger);
}

TEST_F(ConnectionNumbersTest, AllStrangersTogetherLeaveRoom) {
  std::map<uid_t, std::vector<int>> held;
  size_t all = 0;
  for (uid_t uid = 100'000; uid < 100'100; ++uid) {
    for (size_t i = 0; i < ConnectionNumbers::kMaxOfStranger; ++i) {
      const int number = Connect(uid, Standing::kStranger);
      if (number < 0) continue;
      held[uid].push_back(number);
      ++all;
    }
  }
  EXPECT_EQ(all, ConnectionNumbers::kMaxStrangers);
  EXPECT_EQ(Connect(200'000, Standing::kStranger), -1);
  EXPECT_GE(Connect(1001, Standing::kKnown), 0);
  EXPECT_GE(Connect(0, Standing::kAdmin), 0);
  const int left = held[100'003][5];
  Disconnect(left);
  EXPECT_EQ(Connect(200'000, Standing::kStranger), left);
  EXPECT_EQ(Connect(200'001, Standing::kStranger), -1);
  // Who has had rights meanwhile has numbers of their own.
  const int mine = Connect(100'003, Standing::kKnown);
  EXPECT_GE(mine, 0);
  EXPECT_EQ(Whose(left), "uid 200000");
}

}  // namespace
}  // namespace outpost::rpc
