#include "server/progress/progress_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/str_cat.h"

namespace outpost::progress {
namespace {

using testing::HasSubstr;

v1::ProgressEvent Event(const std::string& id, double progress) {
  v1::ProgressEvent event;
  event.set_id(id);
  event.set_progress(progress);
  event.set_message("work on " + id);
  return event;
}

TEST(ProgressRegistryTest, EventsComeGoOnAndAreCompleted) {
  ProgressRegistry registry;
  ASSERT_TRUE(registry.Update("m", Event("a", 0)).ok());
  ASSERT_TRUE(registry.Update("n", Event("a", 0.25)).ok());
  ASSERT_TRUE(registry.Update("m", Event("a", 0.5)).ok());
  auto events = registry.Events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].source(), "m");
  EXPECT_EQ(events[0].progress(), 0.5);
  EXPECT_TRUE(events[0].has_started());
  registry.Complete("m", "a");
  registry.Complete("m", "a");
  registry.Complete("m", "never was");
  ASSERT_EQ(registry.Events().size(), 1u);
  const auto completed = registry.Completed();
  ASSERT_EQ(completed.size(), 1u);
  EXPECT_EQ(completed[0].progress(), 1);
  EXPECT_TRUE(completed[0].has_completed());
  registry.Clear("m");
  EXPECT_EQ(registry.Events().size(), 1u) << "another module's";
  registry.Clear("");
  EXPECT_TRUE(registry.Events().empty());
}

TEST(ProgressRegistryTest, BadEventsAreNamed) {
  ProgressRegistry registry;
  EXPECT_THAT(registry.Update("m", Event("", 0)).message(), HasSubstr("module 'm' has no id"));
  for (const double progress : {-0.1, 1.1, std::nan("")}) {
    const absl::Status status = registry.Update("m", Event("a", progress));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << progress;
    EXPECT_THAT(status.message(), HasSubstr("'a' of module 'm'"));
  }
  EXPECT_TRUE(registry.Events().empty());
}

TEST(ProgressRegistryTest, BothListsAreBounded) {
  ProgressRegistry registry;
  for (size_t i = 0; i < ProgressRegistry::kMaxEvents; ++i) {
    ASSERT_TRUE(registry.Update("m", Event(absl::StrCat(i), 0)).ok());
  }
  EXPECT_TRUE(absl::IsResourceExhausted(registry.Update("m", Event("more", 0))));
  EXPECT_TRUE(registry.Update("m", Event("0", 0.1)).ok()) << "one that there is";
  EXPECT_TRUE(registry.Update("n", Event("more", 0)).ok()) << "another module";
  for (size_t i = 0; i < ProgressRegistry::kMaxEvents; ++i) registry.Complete("m", absl::StrCat(i));
  EXPECT_EQ(registry.Completed().size(), ProgressRegistry::kCompleted);
  EXPECT_EQ(registry.Completed()[0].id(), "999");
}

TEST(ProgressRegistryTest, Bars) {
  EXPECT_EQ(Bar(0, 10), "[>.........] 0%");
  EXPECT_EQ(Bar(0.42, 10), "[====>.....] 42%");
  EXPECT_EQ(Bar(1, 10), "[==========] 100%");
}

}  // namespace
}  // namespace outpost::progress
