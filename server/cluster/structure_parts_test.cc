#include "server/cluster/structure_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace outpost::cluster {
namespace {

using testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr size_t kBound = 500'000;  // of the indexes

std::string Big(int version, int elements = 5000) {
  std::string text = absl::StrCat(R"({"version":)", version, R"(,"osds":[)");
  for (int i = 0; i < elements; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ",", R"({"osd":)", i, R"(,"up":1,"v":)", version, "}");
  }
  return text + "]}";
}

class StructurePartsTest : public testing::Test {
 protected:
  StructurePartsTest() {
    state_.AddListener([this](const SnapshotPtr& snapshot) { parts_.Published(snapshot); });
  }

  absl::StatusOr<std::string> Read(const std::string& name, const StructureParts::Part& part) {
    absl::StatusOr<std::string> result = absl::UnknownError("");
    absl::Notification done;
    parts_.Read(*state_.Get(name), part, [&](absl::StatusOr<absl::string_view> text) {
      if (text.ok()) {
        result = std::string(*text);
      } else {
        result = text.status();
      }
      done.Notify();
    });
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
    return result;
  }

  // Whether a Read ends on the caller's thread.
  bool IsQuick(const std::string& name, const StructureParts::Part& part) {
    bool quick = true;
    absl::Notification done;
    const auto self = std::this_thread::get_id();
    parts_.Read(*state_.Get(name), part, [&](const auto&) {
      quick = std::this_thread::get_id() == self;
      done.Notify();
    });
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
    return quick;
  }

  StructureParts parts_{kBound};
  ClusterState state_;
};

TEST_F(StructurePartsTest, ASmallStructureIsReadAtOnceAndNeedsNoIndex) {
  state_.Publish("df", R"({"a": {"b": 1}})");
  EXPECT_TRUE(IsQuick("df", {.path = "/a"}));
  EXPECT_EQ(*Read("df", {.path = "/a/b"}), "1");
  EXPECT_EQ(parts_.indexes_made(), 0);
}

TEST_F(StructurePartsTest, ABigOneIsIndexedOnceAVersionOffTheCallersThread) {
  state_.Publish("osd_map", Big(1));
  EXPECT_FALSE(IsQuick("osd_map", {.path = "/osds/7"}));
  EXPECT_TRUE(IsQuick("osd_map", {.path = "/osds/4999"}));
  EXPECT_EQ(*Read("osd_map", {.path = "/osds/4999"}), R"({"osd":4999,"up":1,"v":1})");
  EXPECT_EQ(parts_.indexes_made(), 1);
  EXPECT_GT(parts_.index_bytes(), 0);
}

TEST_F(StructurePartsTest, FieldsOfABigPartAreTakenOffTheCallersThread) {
  state_.Publish("osd_map", Big(1));
  EXPECT_EQ(*Read("osd_map", {.path = "/osds/3", .fields = {"osd"}}), R"({"osd":3})");
  EXPECT_TRUE(IsQuick("osd_map", {.path = "/osds/3", .fields = {"osd"}}));
  EXPECT_FALSE(IsQuick("osd_map", {.path = "/osds", .fields = {"osd"}}));
  EXPECT_THAT(*Read("osd_map", {.path = "/osds", .fields = {"osd"}}),
              HasSubstr(R"({"osd":4998},{"osd":4999}])"));
  EXPECT_EQ(*Read("osd_map", {.path = "", .fields = {"version"}}), R"({"version":1})");
}

TEST_F(StructurePartsTest, ANewVersionHasItsIndexMadeBeforeItIsAskedFor) {
  state_.Publish("osd_map", Big(1));
  ASSERT_TRUE(Read("osd_map", {.path = "/osds/1"}).ok());
  state_.Publish("osd_map", Big(2));
  EXPECT_EQ(*Read("osd_map", {.path = "/osds/1/v"}), "2");
  EXPECT_EQ(parts_.indexes_made(), 2);
  EXPECT_TRUE(IsQuick("osd_map", {.path = "/osds/1/v"}));
}

TEST_F(StructurePartsTest, AVersionThatNobodyReadLeavesNoIndexBehind) {
  state_.Publish("osd_map", Big(1));
  ASSERT_TRUE(Read("osd_map", {.path = "/osds/1"}).ok());
  state_.Publish("osd_map", Big(2));  // made, as 1 was read
  // Reads wait behind it on the same thread, so that it is done when this one is.
  state_.Publish("other", Big(1));
  ASSERT_TRUE(Read("other", {.path = "/osds/1"}).ok());
  state_.Publish("osd_map", Big(3));  // not made, as 2 was not read
  state_.Publish("other", "{}");
  EXPECT_EQ(parts_.index_bytes(), 0);
}

TEST_F(StructurePartsTest, AStructureThatIsRemovedTakesItsIndexWithIt) {
  state_.AddRemovalListener([this](absl::string_view name, uint64_t) { parts_.Removed(name); });
  state_.Publish("osd_map", Big(1));
  ASSERT_TRUE(Read("osd_map", {.path = "/osds/1"}).ok());
  state_.Remove("osd_map");
  EXPECT_EQ(parts_.index_bytes(), 0);
}

TEST_F(StructurePartsTest, AReadOfAnOlderVersionIsAnsweredFromIt) {
  state_.Publish("osd_map", Big(1));
  const SnapshotPtr old = *state_.Get("osd_map");
  ASSERT_TRUE(Read("osd_map", {.path = "/osds/1"}).ok());
  state_.Publish("osd_map", Big(2));
  ASSERT_EQ(*Read("osd_map", {.path = "/osds/1/v"}), "2");
  std::string text;
  absl::Notification done;
  parts_.Read(old, {.path = "/osds/1/v"}, [&](const absl::StatusOr<absl::string_view>& found) {
    text = std::string(found.value_or(""));
    done.Notify();
  });
  ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(text, "1");
  EXPECT_TRUE(IsQuick("osd_map", {.path = "/osds/1/v"}));  // the newer one's is still there
}

TEST_F(StructurePartsTest, IndexesStayInTheirBounds) {
  // An object of many small members has the biggest index that there is.
  std::string text = R"({"k":0)";
  for (int i = 0; i < 10'000; ++i) absl::StrAppend(&text, ",\"", i, "\":1");
  text += "}";
  for (int i = 0; i < 12; ++i) {
    const std::string name = absl::StrCat("structure", i);
    state_.Publish(name, text);
    EXPECT_EQ(*Read(name, {.path = "/9999"}), "1");
    EXPECT_LE(parts_.index_bytes(), kBound);
    EXPECT_GT(parts_.index_bytes(), 0);
  }
  EXPECT_TRUE(IsQuick("structure11", {.path = "/5"}));
  EXPECT_FALSE(IsQuick("structure0", {.path = "/5"}));
}

TEST_F(StructurePartsTest, ErrorsNameTheStructureAndThePath) {
  state_.Publish("osd_map", Big(1));
  EXPECT_EQ(Read("osd_map", {.path = "/osds/9999"}).status(),
            absl::NotFoundError("structure \"osd_map\", path \"/osds/9999\": there is \"/osds\", "
                                "and nothing such in it"));
  EXPECT_TRUE(absl::IsInvalidArgument(Read("osd_map", {.path = "osds"}).status()));
  EXPECT_THAT(Read("osd_map", {.path = "/version", .fields = {"a"}}).status().message(),
              HasSubstr("this is neither"));
}

TEST_F(StructurePartsTest, TheLineOfReadsIsBounded) {
  state_.Publish("osd_map", Big(1));
  const SnapshotPtr snapshot = *state_.Get("osd_map");
  absl::Notification go;
  absl::Notification begun;
  parts_.Read(snapshot, {.path = "/osds/0"}, [&](const auto&) {
    begun.Notify();
    go.WaitForNotification();
  });
  ASSERT_TRUE(begun.WaitForNotificationWithTimeout(kPatience));
  size_t refused = 0;
  size_t answered = 0;
  for (size_t i = 0; i <= StructureParts::kMaxWaiting; ++i) {
    parts_.Read(snapshot, {.path = "/osds", .fields = {"nosuch"}}, [&](const auto& text) {
      if (absl::IsResourceExhausted(text.status())) ++refused;
      if (absl::IsCancelled(text.status()) || text.ok()) ++answered;
    });
  }
  EXPECT_EQ(refused, 1);
  go.Notify();
  parts_.Stop();
  EXPECT_EQ(answered, StructureParts::kMaxWaiting);
}

}  // namespace
}  // namespace outpost::cluster
