// ConfigRegistry: who changed what, and the way back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "server/config/config_registry_fixture.h"

namespace outpost::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Of a StatusOr: OK, with these elements.
template <typename... Elements>
auto IsOkAndHolds(Elements... elements) {
  return testing::ResultOf(
      "the value",
      [](const absl::StatusOr<std::vector<std::string>>& kept) {
        return kept.ok() ? *kept : std::vector<std::string>{kept.status().ToString()};
      },
      ElementsAre(elements...));
}

using ConfigHistoryTest = ConfigRegistryTest;

TEST_F(ConfigHistoryTest, HistoryTellsWhoChangedWhatNewestFirst) {
  ASSERT_TRUE(Set("mgr/hello/place", "Paris", "client").ok());
  ASSERT_TRUE(Set("mgr/hello/place", "Paris", "client").ok());  // changes nothing
  ASSERT_TRUE(Set("mgr/hello/place", "Rome", "module/hello").ok());
  ASSERT_TRUE(Remove("mgr/hello/place").ok());
  auto history = registry_->History(10);
  ASSERT_THAT(history, SizeIs(3));
  EXPECT_EQ(history[0].old_value(), "Rome");
  EXPECT_FALSE(history[0].has_new_value());
  EXPECT_EQ(history[1].who(), "module/hello");
  EXPECT_EQ(history[1].key(), "mgr/hello/place");
  EXPECT_EQ(history[1].old_value(), "Paris");
  EXPECT_EQ(history[1].new_value(), "Rome");
  EXPECT_FALSE(history[2].has_old_value());
  EXPECT_GT(history[2].time().seconds(), 1'600'000'000);
  EXPECT_THAT(registry_->History(1), SizeIs(1));
  EXPECT_THAT(registry_->History(0), IsEmpty());
}

TEST_F(ConfigHistoryTest, LongValuesAreCutInTheHistoryBetweenCharacters) {
  std::string value = "x";
  for (int i = 0; i < 20'000; ++i) value += "€";
  ASSERT_TRUE(Set("mgr/hello/place", value).ok());
  EXPECT_EQ(registry_->Get("mgr/hello/place")->value(), value);
  const std::string shown = registry_->History(1)[0].new_value();
  EXPECT_THAT(shown, AllOf(HasSubstr("x€€"), HasSubstr("€… (60001 bytes)")));
  EXPECT_LT(shown.size(), 4200u);
}

TEST_F(ConfigHistoryTest, TheLastThousandChangesAreKept) {
  auto write = [&](int first, int last) {
    absl::BlockingCounter written(last - first);
    for (int i = first; i < last; ++i) {
      registry_->Set(absl::StrCat("mgr/hello/m", i, "/place"), absl::StrCat(i), "client",
                     [&](const absl::StatusOr<v1::OptionValue>& value) {
                       EXPECT_TRUE(value.ok()) << value.status();
                       written.DecrementCount();
                     });
    }
    written.Wait();
  };
  write(0, 1050);
  ASSERT_TRUE(Set("mgr/hello/place", "last").ok());
  EXPECT_THAT(registry_->History(5000), SizeIs(1000));
  EXPECT_THAT(store_->List("config-log/"), SizeIs(1000));
  EXPECT_EQ(registry_->History(1)[0].new_value(), "last");
  Open();
  ASSERT_TRUE(Set("mgr/hello/place", "later").ok());
  auto history = registry_->History(5000);
  ASSERT_THAT(history, SizeIs(1000));
  EXPECT_EQ(history[0].new_value(), "later");
  EXPECT_EQ(history[1].new_value(), "last");
}

TEST_F(ConfigHistoryTest, ConcurrentSetsOfOneOptionMakeAHistoryWithoutGaps) {
  constexpr int kThreads = 8, kSets = 15;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kSets; ++i) {
        auto value = Set("mgr/hello/place", absl::StrCat(t, "/", i));
        EXPECT_TRUE(value.ok()) << value.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  auto history = registry_->History(1000);
  ASSERT_THAT(history, SizeIs(kThreads * kSets));
  EXPECT_EQ(history.front().new_value(), registry_->Get("mgr/hello/place")->value());
  for (size_t i = 0; i + 1 < history.size(); ++i) {
    EXPECT_EQ(history[i].old_value(), history[i + 1].new_value()) << i;
  }
  auto changes = TakeChanges();
  EXPECT_EQ(changes.back(),
            absl::StrCat("hello.place=", history.front().new_value(), " from module"));
}

TEST_F(ConfigHistoryTest, ResetLeadsBackToAVersionAsOneChange) {
  ASSERT_TRUE(Set("mgr/hello/place", "Paris").ok());
  ASSERT_TRUE(Set("mgr/hello/count", "2").ok());
  ASSERT_TRUE(Set("mgr/hello/place", "Rome").ok());
  ASSERT_TRUE(Set("mgr/hello/emphatic", "no").ok());
  ASSERT_TRUE(Remove("mgr/hello/count").ok());
  ASSERT_TRUE(Set("mgr/hello/place", "Oslo").ok());
  TakeChanges();

  EXPECT_THAT(Reset(2), IsOkAndHolds());
  EXPECT_EQ(Get("mgr/hello/place"), "Paris from module");
  EXPECT_EQ(Get("mgr/hello/count"), "2 from module");
  EXPECT_EQ(Get("mgr/hello/emphatic"), "true from default");
  EXPECT_THAT(TakeChanges(), SizeIs(3));
  const auto versions = registry_->Versions(10);
  ASSERT_THAT(versions, SizeIs(7));
  EXPECT_EQ(versions[0].number, 7u);
  ASSERT_THAT(versions[0].changes, SizeIs(3));
  EXPECT_EQ(versions[0].changes[2].key(), "mgr/hello/place");
  EXPECT_EQ(versions[0].changes[2].old_value(), "Oslo");
  EXPECT_EQ(versions[0].changes[2].new_value(), "Paris");
  EXPECT_EQ(versions[0].changes[2].who(), "client (reset to 2)");

  EXPECT_THAT(Reset(6), IsOkAndHolds());  // the reset is undone like any change
  EXPECT_EQ(Get("mgr/hello/place"), "Oslo from module");
  EXPECT_EQ(Get("mgr/hello/count"), "1 from default");
  EXPECT_THAT(Reset(0), IsOkAndHolds());
  EXPECT_THAT(registry_->Settings(), IsEmpty());
  EXPECT_THAT(Reset(9), IsOkAndHolds());  // the present one: nothing to do
  EXPECT_EQ(registry_->Versions(1)[0].number, 9u);
  EXPECT_EQ(Reset(10).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Reset(10).status().message()), HasSubstr("the newest is 9"));
}

TEST_F(ConfigHistoryTest, ResetRestoresLongValuesWholeAndLeavesSecretsAlone) {
  const std::string value(20'000, 'x');
  ASSERT_TRUE(Set("mgr/hello/place", value).ok());
  ASSERT_TRUE(Set("mgr/hello/password", "hunter2").ok());
  ASSERT_TRUE(Set("mgr/hello/place", "short").ok());
  ASSERT_TRUE(Set("mgr/hello/password", "hunter3").ok());
  EXPECT_THAT(Reset(2), IsOkAndHolds("mgr/hello/password"));
  EXPECT_EQ(registry_->Get("mgr/hello/place")->value(), value);
  EXPECT_EQ(Get("mgr/hello/password"), "hunter3 from module");
  // To take one away no former value is needed.
  EXPECT_THAT(Reset(1), IsOkAndHolds());
  EXPECT_EQ(Get("mgr/hello/password"), "(none) from default");
}

TEST_F(ConfigHistoryTest, AForgottenVersionCantBeGoneBackTo) {
  // Each change is some 120 kB of the history's 8 MiB.
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Set("mgr/hello/place", std::string(60'000, static_cast<char>('a' + i % 26))).ok());
  }
  const auto versions = registry_->Versions(1000);
  EXPECT_GT(versions.size(), 50u);
  EXPECT_LT(versions.size(), 90u);
  const uint64_t oldest = versions.back().number;
  EXPECT_EQ(Reset(oldest - 2).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(Reset(0).status().message()), HasSubstr(absl::StrCat(oldest - 1)));
  Open();
  EXPECT_EQ(Reset(oldest - 2).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(Reset(oldest - 1), IsOkAndHolds());
  EXPECT_EQ(registry_->Get("mgr/hello/place")->value()[0],
            static_cast<char>('a' + (oldest - 2) % 26));
}

TEST_F(ConfigHistoryTest, AResetBesideSetsLosesNoChange) {
  ASSERT_TRUE(Set("mgr/hello/place", "first").ok());
  std::thread setter([&] {
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(Set("mgr/hello/place", absl::StrCat(i)).ok());
  });
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Reset(1), IsOkAndHolds());
  setter.join();
  const auto history = registry_->History(1000);
  for (size_t i = 0; i + 1 < history.size(); ++i) {
    EXPECT_EQ(history[i].old_value(), history[i + 1].new_value()) << i;
  }
  EXPECT_EQ(history.front().new_value(), registry_->Get("mgr/hello/place")->value());
}

}  // namespace
}  // namespace outpost::config
