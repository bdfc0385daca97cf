// What a module hears of options and keys that it watches, over a real socket.
#include "outpost/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "outpost/everything_module.h"

namespace outpost {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kPatience;
using ::testing::UnorderedElementsAre;

// Applies what it hears, as a module would.
class Mirror {
 public:
  using Values = std::map<std::string, std::string>;

  void Take(const std::string& key, const std::optional<std::string>& value) {
    absl::MutexLock lock(&mu_);
    heard_.push_back(absl::StrCat(key, value ? absl::StrCat("=", *value) : " gone"));
    if (value) {
      values_[key] = *value;
    } else {
      values_.erase(key);
    }
  }
  auto OfKeys() {
    return [this](const StoreChange& change) { Take(change.key, change.value); };
  }
  auto OfOptions() {
    return [this](const OptionChange& change) {
      Take(absl::StrCat(change.module, "/", change.name), change.value);
    };
  }
  bool Await(const Values& values) {
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return values_ == values; };
    absl::MutexLock lock(&mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&there), kPatience)) return true;
    ADD_FAILURE() << "it has heard " << ::testing::PrintToString(heard_);
    return false;
  }
  std::vector<std::string> TakeHeard() {
    absl::MutexLock lock(&mu_);
    return std::exchange(heard_, {});
  }
  bool AwaitValue(const std::string& key, const std::string& value) {
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      const auto it = values_.find(key);
      return it != values_.end() && it->second == value;
    };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&there), kPatience);
  }
  std::string ValueOf(const std::string& key) {
    absl::MutexLock lock(&mu_);
    return values_[key];
  }

 private:
  absl::Mutex mu_;
  std::vector<std::string> heard_ ABSL_GUARDED_BY(mu_);
  Values values_ ABSL_GUARDED_BY(mu_);
};

class WatchTest : public AttachedTest {
 protected:
  // Begun, and what is there was heard.
  Watch Keys(const std::string& prefix) {
    absl::StatusOr<Watch> watch = module().WatchStore(prefix, mirror_.OfKeys());
    EXPECT_TRUE(watch.ok()) << watch.status();
    EXPECT_TRUE(watch->AwaitPresent(kPatience).ok());
    return *std::move(watch);
  }
  Watch Options(const std::string& of) {
    absl::StatusOr<Watch> watch = module().WatchOptions(of, mirror_.OfOptions());
    EXPECT_TRUE(watch.ok()) << watch.status();
    EXPECT_TRUE(watch->AwaitPresent(kPatience).ok());
    return *std::move(watch);
  }

  Mirror mirror_;
};

TEST_F(WatchTest, KeysThatAreThereAndThenTheirChanges) {
  manager_->SetStore("job/1", "a");
  manager_->SetStore("other", "x");
  const Watch watch = Keys("job/");
  EXPECT_THAT(mirror_.TakeHeard(), ElementsAre("job/1=a"));
  ASSERT_TRUE(module().SetStore("job/2", "b").ok());
  ASSERT_TRUE(module().SetStore("other", "y").ok());
  ASSERT_TRUE(module().SetStore("job/2", "b").ok());  // no news
  ASSERT_TRUE(module().Apply(StoreBatch().Set("job/1", "c").Set("job/3", "d")).ok());
  ASSERT_TRUE(module().SetStore("job/2", std::nullopt).ok());
  EXPECT_TRUE(mirror_.Await({{"job/1", "c"}, {"job/3", "d"}}));
  EXPECT_THAT(mirror_.TakeHeard(), ElementsAre("job/2=b", "job/1=c", "job/3=d", "job/2 gone"));
  EXPECT_TRUE(watch.status().ok());
}

TEST_F(WatchTest, OptionsOfTheModuleAndOfOthers) {
  ASSERT_TRUE(manager_->SetOption("mgr/other/color", "red").ok());
  const Watch all = Options("");
  EXPECT_EQ(mirror_.ValueOf("other/color"), "red");
  EXPECT_EQ(mirror_.ValueOf("tested/times"), "1");
  mirror_.TakeHeard();
  ASSERT_TRUE(module().SetOption<int64_t>("times", 4).ok());
  EXPECT_TRUE(mirror_.AwaitValue("tested/times", "4"));
  ASSERT_TRUE(module().SetModuleOption("other", "color", "green").ok());
  EXPECT_TRUE(mirror_.AwaitValue("other/color", "green"));
  manager_->RemoveOption("times");
  EXPECT_EQ(mirror_.ValueOf("tested/log_to_file"), "false");
  EXPECT_TRUE(mirror_.AwaitValue("tested/times", "1"));
  EXPECT_THAT(mirror_.TakeHeard(),
              ElementsAre("tested/times=4", "other/color=green", "tested/times=1"));
  Mirror of_one;
  const auto one = module().WatchOptions("other", of_one.OfOptions());
  ASSERT_TRUE(one.ok());
  EXPECT_TRUE(of_one.Await({{"other/color", "green"}}));
}

TEST_F(WatchTest, AfterTheManagerWasAwayTheDifferencesAreHeard) {
  for (const char* key : {"a", "b", "c"}) manager_->SetStore(key, "1");
  const Watch keys = Keys("");
  mirror_.TakeHeard();
  manager_->Crash();
  manager_->SetStore("a", "2");
  manager_->SetStore("b", std::nullopt);
  manager_->SetStore("d", "1");
  manager_->Restart();
  EXPECT_TRUE(mirror_.Await({{"a", "2"}, {"c", "1"}, {"d", "1"}}));
  EXPECT_THAT(mirror_.TakeHeard(), UnorderedElementsAre("a=2", "b gone", "d=1"));
  manager_->SetStore("c", "2");
  EXPECT_TRUE(mirror_.Await({{"a", "2"}, {"c", "2"}, {"d", "1"}}));
  EXPECT_TRUE(keys.status().ok());
}

TEST_F(WatchTest, OptionsOfAnotherManagerAreTakenThoughItHasToldLess) {
  for (int times : {2, 3, 4}) ASSERT_TRUE(module().SetOption<int64_t>("times", times).ok());
  const Watch options = Options("tested");
  EXPECT_EQ(mirror_.ValueOf("tested/times"), "4");
  manager_->Crash();
  ASSERT_TRUE(manager_->SetOption("times", "5").ok());
  manager_->Restart();
  EXPECT_TRUE(mirror_.AwaitValue("tested/times", "5"));
  ASSERT_TRUE(manager_->WaitForModule());
  ASSERT_TRUE(manager_->SetOption("times", "6").ok());
  EXPECT_TRUE(mirror_.AwaitValue("tested/times", "6"));
}

TEST_F(WatchTest, AReaderThatIsCutOffReadsAnew) {
  const Watch keys = Keys("");
  manager_->EndWatches(absl::ResourceExhaustedError("too slow"));
  manager_->SetStore("a", "1");
  EXPECT_TRUE(mirror_.Await({{"a", "1"}}));
  EXPECT_TRUE(manager_->WaitForLog("the watch of keys \"\" broke: too slow; watching again"));
  EXPECT_EQ(manager_->calls("KeyValue.Watch"), 2);
}

TEST_F(WatchTest, ARefusalThatLastsEndsIt) {
  for (const char* call : {"KeyValue.Watch", "KeyValue.List"}) {
    manager_->RefuseCalls(call, absl::PermissionDeniedError("not yours"));
  }
  const auto watch = module().WatchStore("", mirror_.OfKeys());
  ASSERT_TRUE(watch.ok()) << watch.status();
  EXPECT_EQ(watch->AwaitPresent(kPatience), absl::PermissionDeniedError("not yours"));
  EXPECT_EQ(watch->status(), absl::PermissionDeniedError("not yours"));
  EXPECT_TRUE(manager_->WaitForLog("the watch of keys \"\" is refused: not yours"));
}

TEST_F(WatchTest, AListThatFailsIsReadAgain) {
  manager_->SetStore("a", "1");
  manager_->RefuseCalls("KeyValue.List", absl::UnavailableError("not now"));
  const auto watch = module().WatchStore("", mirror_.OfKeys());
  ASSERT_TRUE(watch.ok()) << watch.status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(watch->AwaitPresent(absl::Milliseconds(50))));
  manager_->RefuseCalls("KeyValue.List", absl::OkStatus());
  EXPECT_TRUE(watch->AwaitPresent(kPatience).ok());
  EXPECT_TRUE(mirror_.Await({{"a", "1"}}));
  EXPECT_GE(manager_->calls("KeyValue.List"), 2);
}

TEST_F(WatchTest, AfterItsEndNothingIsHeard) {
  {
    const Watch watch = Keys("");
    manager_->SetStore("a", "1");
    EXPECT_TRUE(mirror_.Await({{"a", "1"}}));
  }
  mirror_.TakeHeard();
  manager_->SetStore("a", "2");
  const Watch later = Keys("");  // it has heard of that
  EXPECT_THAT(mirror_.TakeHeard(), ElementsAre("a=2"));
}

TEST_F(WatchTest, ItsEndWaitsForACallbackThatRuns) {
  manager_->SetStore("a", "1");
  absl::Notification entered;
  absl::Notification go_on;
  std::atomic<bool> left{false};
  auto watch = module().WatchStore("", [&](const StoreChange&) {
    entered.Notify();
    go_on.WaitForNotification();
    left = true;
  });
  ASSERT_TRUE(watch.ok());
  entered.WaitForNotification();
  std::thread ending([&] {
    *watch = Watch();
    EXPECT_TRUE(left);
  });
  go_on.Notify();
  ending.join();
  EXPECT_TRUE(absl::IsCancelled(watch->status())) << watch->status();
}

TEST_F(WatchTest, ACallbackMayEndItsOwn) {
  struct State {
    absl::Mutex mu;
    Watch own ABSL_GUARDED_BY(mu);
    std::atomic<int> heard{0};
    absl::Notification ended;
  };
  manager_->SetStore("a", "1");
  manager_->SetStore("b", "1");
  const auto state = std::make_shared<State>();  // nobody waits for the callback's end
  {
    absl::MutexLock lock(&state->mu);  // until `own` is there
    auto watch = module().WatchStore("", [state](const StoreChange&) {
      absl::MutexLock callback_lock(&state->mu);
      ++state->heard;
      state->own = Watch();
      state->ended.Notify();
    });
    ASSERT_TRUE(watch.ok());
    state->own = *std::move(watch);
  }
  EXPECT_TRUE(state->ended.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(manager_->RunCommand({{"prefix", "every echo"}, {"text", "x"}}).retval, 0);
  EXPECT_EQ(state->heard, 1);
}

TEST_F(WatchTest, ACallbackThatThrowsHearsTheNextChange) {
  absl::Notification good;
  const auto watch = module().WatchStore("", [&](const StoreChange& change) {
    if (change.value == "bad") throw std::runtime_error("no use");
    good.Notify();
  });
  ASSERT_TRUE(watch.ok());
  manager_->SetStore("a", "bad");
  EXPECT_TRUE(manager_->WaitForLog("a callback failed: no use"));
  manager_->SetStore("a", "good");
  EXPECT_TRUE(good.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(WatchTest, TheModulesEndEndsIt) {
  Watch watch = Keys("");
  manager_->Shutdown(absl::Seconds(5));
  EXPECT_TRUE(manager_->WaitForGoodbye());
  EXPECT_TRUE(absl::IsCancelled(watch.status()));
  EXPECT_THAT(module().WatchStore("", mirror_.OfKeys()).status().message(),
              HasSubstr("the module ends"));
}

TEST(UnattachedWatchTest, IsRefusedWithAHint) {
  Everything module;
  const auto watch = module.WatchStore("", [](const StoreChange&) {});
  EXPECT_TRUE(absl::IsFailedPrecondition(watch.status()));
  EXPECT_THAT(watch.status().message(), HasSubstr("not from the constructor"));
  EXPECT_TRUE(absl::IsCancelled(Watch().status()));
}

}  // namespace
}  // namespace outpost
