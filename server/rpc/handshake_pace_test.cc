// Whose handshake begins when, and who pays for those that come to nothing.
#include "server/rpc/handshake_pace.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace outpost::rpc {
namespace {

constexpr int kBurst = static_cast<int>(HandshakePace::kBurst);
const absl::Duration kTurn = absl::Seconds(1) / HandshakePace::kPerSecond;

class HandshakePaceTest : public testing::Test {
 protected:
  // The file descriptor of what has to go for it; -1: nothing.
  int Arrives(const std::string& host, int fd) {
    const auto gone = pace_.Add({.fd = fd, .host = host, .peer = Peer(host, fd)});
    return gone.has_value() ? gone->fd : -1;
  }
  // Those that begin now, in order.
  std::vector<std::string> Begin() {
    std::vector<std::string> all;
    while (const auto next = pace_.Next(now_)) all.push_back(next->peer);
    return all;
  }
  static std::string Peer(const std::string& host, int fd) { return absl::StrCat(host, ":", fd); }
  // A host that has used up what all that are not known have.
  void Flood() {
    for (int i = 0; i < kBurst; ++i) Arrives("flood", 1000 + i);
    ASSERT_EQ(Begin().size(), kBurst);
    ASSERT_EQ(Arrives("flood", 2000), -1);
    ASSERT_TRUE(Begin().empty());
  }

  HandshakePace pace_;
  absl::Duration now_ = absl::Seconds(1000);
};

TEST_F(HandshakePaceTest, ABurstAndThenSoManyASecond) {
  EXPECT_EQ(pace_.NextAfter(now_), absl::InfiniteDuration());
  for (int i = 0; i < kBurst + 2; ++i) Arrives("a", i);
  EXPECT_EQ(pace_.NextAfter(now_), absl::ZeroDuration());
  EXPECT_EQ(Begin().size(), kBurst);
  EXPECT_EQ(pace_.waiting(), 2);
  EXPECT_EQ(pace_.NextAfter(now_), kTurn);
  now_ += kTurn - absl::Nanoseconds(1);
  EXPECT_TRUE(Begin().empty());
  now_ += absl::Nanoseconds(1);
  EXPECT_EQ(Begin(), std::vector<std::string>{Peer("a", kBurst)});
  now_ += kTurn;
  EXPECT_EQ(Begin(), std::vector<std::string>{Peer("a", kBurst + 1)});
  EXPECT_EQ(pace_.waiting(), 0);
}

TEST_F(HandshakePaceTest, HostsTakeTurns) {
  Flood();
  for (int i = 0; i < 3; ++i) Arrives("flood", 3000 + i);
  Arrives("other", 1);
  now_ += 2 * kTurn;
  EXPECT_EQ(Begin(), (std::vector<std::string>{Peer("flood", 2000), Peer("other", 1)}));
}

TEST_F(HandshakePaceTest, WhatWasWorthItCostsNothing) {
  // Far more than a burst, as long as each is followed by a call: as after a restart.
  for (int i = 0; i < 20 * kBurst; ++i) {
    Arrives(absl::StrCat("host-", i % 10), i);
    const auto begun = Begin();
    ASSERT_EQ(begun.size(), 1);
    EXPECT_TRUE(pace_.IsKnown(absl::StrCat("host-", i % 10)) || i < 10);
    pace_.Worth(begun[0]);
  }
  // None of them has cost those that are not known anything.
  for (int i = 0; i < kBurst; ++i) Arrives("new", i);
  EXPECT_EQ(Begin().size(), kBurst);
}

TEST_F(HandshakePaceTest, ManyAtOnceOfAHostThatBecomesKnown) {
  for (int i = 0; i < kBurst; ++i) Arrives("a", i);
  const auto begun = Begin();
  ASSERT_EQ(begun.size(), kBurst);
  for (const std::string& peer : begun) pace_.Worth(peer);
  for (int i = 0; i < kBurst; ++i) Arrives("b", i);
  EXPECT_EQ(Begin().size(), kBurst);  // all of what "a" has cost them came back
}

TEST_F(HandshakePaceTest, AHostThatIsKnownDoesNotWaitForTheOthers) {
  Arrives("known", 1);
  ASSERT_EQ(Begin().size(), 1);
  EXPECT_FALSE(pace_.Worth(Peer("known", 1)));  // nobody waits for that
  EXPECT_FALSE(pace_.Worth(Peer("known", 1)));  // and once is enough
  EXPECT_TRUE(pace_.IsKnown("known"));
  Flood();
  EXPECT_FALSE(pace_.IsKnown("flood"));
  Arrives("known", 2);
  EXPECT_EQ(Begin(), std::vector<std::string>{Peer("known", 2)});
  // Whose own are of no worth: they are its own loss.
  for (int i = 0; i < kBurst; ++i) Arrives("known", 10 + i);
  EXPECT_EQ(Begin().size(), kBurst - 1);
  now_ += kTurn;
  EXPECT_EQ(Begin(),
            (std::vector<std::string>{Peer("flood", 2000), Peer("known", 10 + kBurst - 1)}));
}

TEST_F(HandshakePaceTest, WhoWaitsMayBeginWhenTheirHostIsKnown) {
  Arrives("a", 1);
  ASSERT_EQ(Begin().size(), 1);
  for (int i = 1; i < kBurst; ++i) Arrives("flood", i);
  ASSERT_EQ(Begin().size(), kBurst - 1);
  Arrives("a", 2);
  ASSERT_TRUE(Begin().empty());
  EXPECT_TRUE(pace_.Worth(Peer("a", 1)));
  EXPECT_EQ(Begin(), std::vector<std::string>{Peer("a", 2)});
}

TEST_F(HandshakePaceTest, WhatDidNotBeginCostsNothing) {
  for (int i = 0; i < 10 * kBurst; ++i) {
    Arrives("a", i);
    const auto begun = Begin();
    ASSERT_EQ(begun.size(), 1);
    pace_.Withdraw(begun[0]);
  }
  EXPECT_FALSE(pace_.IsKnown("a"));
}

TEST_F(HandshakePaceTest, OfOneHostTheOldestGoes) {
  Flood();
  const int first = 2000;
  for (size_t i = 1; i < HandshakePace::kMaxOfHost; ++i) {
    ASSERT_EQ(Arrives("flood", first + static_cast<int>(i)), -1);
  }
  EXPECT_EQ(Arrives("flood", 3000), first);
  EXPECT_EQ(Arrives("flood", 3001), first + 1);
  EXPECT_EQ(pace_.waiting(), HandshakePace::kMaxOfHost);
  EXPECT_EQ(pace_.Longest().host, "flood");
  EXPECT_EQ(pace_.Longest().waiting, HandshakePace::kMaxOfHost);
}

TEST_F(HandshakePaceTest, OfAllItIsOneOfTheHostWithTheMost) {
  Flood();
  Arrives("flood", 2001);
  int fd = 10'000;
  while (pace_.waiting() < HandshakePace::kMaxWaiting) {
    ASSERT_EQ(Arrives(absl::StrCat("host-", fd), fd), -1);
    ++fd;
  }
  EXPECT_EQ(Arrives("one more", 1), 2000);
  // Each has one: the one that has waited for longest.
  EXPECT_EQ(Arrives("two more", 2), 2001);
  EXPECT_EQ(Arrives("three more", 3), 10'000);
  EXPECT_EQ(pace_.waiting(), HandshakePace::kMaxWaiting);
  EXPECT_EQ(pace_.TakeAll().size(), HandshakePace::kMaxWaiting);
  EXPECT_EQ(pace_.waiting(), 0);
  EXPECT_EQ(pace_.Longest().waiting, 0);
  EXPECT_EQ(pace_.NextAfter(now_), absl::InfiniteDuration());
}

TEST_F(HandshakePaceTest, WhatIsRememberedIsBounded) {
  for (size_t i = 0; i < HandshakePace::kMaxKnown + 10; ++i) {
    Arrives(absl::StrCat("host-", i), 1);
    const auto begun = Begin();
    ASSERT_EQ(begun.size(), 1);
    pace_.Worth(begun[0]);
    EXPECT_TRUE(pace_.IsKnown(absl::StrCat("host-", i)));
  }
  size_t known = 0;
  for (size_t i = 0; i < HandshakePace::kMaxKnown + 10; ++i) {
    known += pace_.IsKnown(absl::StrCat("host-", i)) ? 1 : 0;
  }
  EXPECT_EQ(known, HandshakePace::kMaxKnown);
  // Of what came to nothing so long ago, it is not known any more that it began.
  for (size_t i = 0; i < HandshakePace::kMaxBegun + 1; ++i) {
    Arrives("flood", static_cast<int>(i));
    now_ += kTurn;
    ASSERT_EQ(Begin().size(), 1);
  }
  pace_.Worth(Peer("flood", 0));
  EXPECT_FALSE(pace_.IsKnown("flood"));
  pace_.Worth(Peer("flood", 1));
  EXPECT_TRUE(pace_.IsKnown("flood"));
}

}  // namespace
}  // namespace outpost::rpc
