#include "server/cluster/ceph/command_pool.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"
#include "server/cluster/source.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {
namespace {

constexpr absl::Duration kSoon = absl::Seconds(20);

// Commands that return when the test lets them.
class Daemons {
 public:
  command::Result Run(const ClusterCommand& command) {
    absl::MutexLock lock(&mu_);
    running_.insert(command.command_json);
    const auto released = [&] { return released_.contains(command.command_json); };
    mu_.Await(absl::Condition(&released));
    running_.erase(command.command_json);
    return {7, command.command_json, ""};
  }
  void Release(const std::string& name) {
    absl::MutexLock lock(&mu_);
    released_.insert(name);
  }
  bool AwaitRunning(size_t count) {
    const auto reached = [&] { return running_.size() == count; };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&reached), kSoon);
  }
  std::set<std::string> running() {
    absl::MutexLock lock(&mu_);
    return running_;
  }

 private:
  absl::Mutex mu_;
  std::set<std::string> running_;
  std::set<std::string> released_;
};

// What a callback got; the callback may outlive it.
class Answer {
 public:
  command::ResultCallback Callback() {
    return [state = state_](command::Result result) {
      state->result = std::move(result);
      state->come.Notify();  // a second call would abort
    };
  }
  bool come() const { return state_->come.HasBeenNotified(); }
  int retval() {
    EXPECT_TRUE(state_->come.WaitForNotificationWithTimeout(kSoon));
    return come() ? state_->result.retval : 12345;
  }
  const std::string& out() const { return state_->result.out; }

 private:
  struct State {
    command::Result result;
    absl::Notification come;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

ClusterCommand Command(const std::string& name, absl::Duration timeout = absl::InfiniteDuration()) {
  return {"mon", "", name, "", internal::SteadyNow() + timeout};
}

class CommandPoolTest : public testing::Test {
 protected:
  CommandPool* Pool(size_t threads, size_t max_waiting) {
    pool_ = std::make_unique<CommandPool>(
        threads, max_waiting, [this](const ClusterCommand& c) { return daemons_.Run(c); });
    return pool_.get();
  }
  ~CommandPoolTest() override {
    for (const char* name : {"a", "b", "c", "d"}) daemons_.Release(name);
  }

  Daemons daemons_;
  std::unique_ptr<CommandPool> pool_;
};

TEST_F(CommandPoolTest, GivesTheResult) {
  Answer answer;
  CommandPool* const pool = Pool(1, 4);
  daemons_.Release("a");
  pool->Submit("mon", Command("a"), answer.Callback());
  EXPECT_EQ(answer.retval(), 7);
  EXPECT_EQ(answer.out(), "a");
}

TEST_F(CommandPoolTest, ARunningCommandIsAnsweredAtItsDeadline) {
  Answer late;
  Answer next;
  CommandPool* const pool = Pool(1, 4);
  const absl::Time begin = absl::Now();
  pool->Submit("mon", Command("a", absl::Milliseconds(200)), late.Callback());
  EXPECT_EQ(late.retval(), -ETIMEDOUT);
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(200));
  // Its thread is still busy.
  EXPECT_TRUE(daemons_.AwaitRunning(1));
  daemons_.Release("b");
  pool->Submit("mon", Command("b", absl::Milliseconds(100)), next.Callback());
  EXPECT_EQ(next.retval(), -ETIMEDOUT);
  daemons_.Release("a");
  Answer last;
  pool->Submit("mon", Command("b"), last.Callback());
  EXPECT_EQ(last.retval(), 7);
}

TEST_F(CommandPoolTest, ADeadlineInThePastIsAnsweredAtOnce) {
  Answer answer;
  CommandPool* const pool = Pool(1, 4);
  pool->Submit("mon", Command("a", absl::Seconds(-1)), answer.Callback());
  EXPECT_TRUE(answer.come());
  EXPECT_EQ(answer.retval(), -ETIMEDOUT);
}

TEST_F(CommandPoolTest, RefusesWhenTooManyWait) {
  Answer running;
  Answer waiting;
  Answer refused;
  CommandPool* const pool = Pool(1, 1);
  pool->Submit("mon", Command("a"), running.Callback());
  ASSERT_TRUE(daemons_.AwaitRunning(1));
  pool->Submit("mon", Command("b"), waiting.Callback());
  pool->Submit("mon", Command("c"), refused.Callback());
  EXPECT_EQ(refused.retval(), -EAGAIN);
  daemons_.Release("a");
  daemons_.Release("b");
  EXPECT_EQ(running.retval(), 7);
  EXPECT_EQ(waiting.retval(), 7);
}

TEST_F(CommandPoolTest, AnExpiredCommandMakesRoom) {
  Answer running;
  Answer expired;
  Answer waiting;
  CommandPool* const pool = Pool(1, 1);
  pool->Submit("mon", Command("a"), running.Callback());
  ASSERT_TRUE(daemons_.AwaitRunning(1));
  pool->Submit("mon", Command("b", absl::Milliseconds(50)), expired.Callback());
  EXPECT_EQ(expired.retval(), -ETIMEDOUT);
  pool->Submit("mon", Command("c"), waiting.Callback());
  EXPECT_FALSE(waiting.come());
  daemons_.Release("a");
  daemons_.Release("c");
  EXPECT_EQ(waiting.retval(), 7);
}

TEST_F(CommandPoolTest, AHungDaemonLeavesThreadsForOthers) {
  Answer hung[3];
  Answer other;
  CommandPool* const pool = Pool(4, 16);
  pool->Submit("osd.0", Command("a"), hung[0].Callback());
  pool->Submit("osd.0", Command("b"), hung[1].Callback());
  pool->Submit("osd.0", Command("c"), hung[2].Callback());
  ASSERT_TRUE(daemons_.AwaitRunning(2));
  daemons_.Release("d");
  pool->Submit("mon", Command("d"), other.Callback());
  EXPECT_EQ(other.retval(), 7);
  EXPECT_EQ(daemons_.running(), (std::set<std::string>{"a", "b"}));
  daemons_.Release("a");
  daemons_.Release("c");
  EXPECT_EQ(hung[2].retval(), 7);
}

TEST_F(CommandPoolTest, StopAnswersEverythingBeforeItWaits) {
  Answer running;
  Answer waiting;
  Answer after;
  CommandPool* const pool = Pool(1, 4);
  pool->Submit("mon", Command("a"), [&, done = running.Callback()](command::Result result) mutable {
    daemons_.Release("a");  // Stop waits for its thread, so it must not be waiting yet
    done(std::move(result));
  });
  ASSERT_TRUE(daemons_.AwaitRunning(1));
  pool->Submit("mon", Command("b"), waiting.Callback());
  pool->Stop();
  EXPECT_TRUE(running.come());
  EXPECT_TRUE(waiting.come());
  EXPECT_EQ(running.retval(), -ESHUTDOWN);
  EXPECT_EQ(waiting.retval(), -ESHUTDOWN);
  pool->Submit("mon", Command("d"), after.Callback());
  EXPECT_EQ(after.retval(), -ESHUTDOWN);
}

}  // namespace
}  // namespace outpost::cluster::ceph
