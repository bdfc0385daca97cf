#include "server/auth/entities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "server/auth/peer.h"
#include "server/store/sqlite/scratch_dir.h"
#include "server/store/sqlite/sqlite_store.h"

namespace outpost::auth {
namespace {

using testing::HasSubstr;

class EntitiesTest : public testing::Test {
 protected:
  EntitiesTest() { Open(); }

  void Open() {
    entities_.reset();
    store_.reset();
    auto store = store::SqliteStore::Open(dir_.path() + "/state.db");
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    entities_ = std::make_unique<Entities>(store_.get());
  }

  absl::Status Set(const std::string& name, const std::string& caps) {
    absl::Status result;
    absl::Notification done;
    entities_->Set(name, caps.empty() ? Caps() : *Caps::Parse(caps), [&](absl::Status status) {
      result = std::move(status);
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }
  absl::Status Remove(const std::string& name) {
    absl::Status result;
    absl::Notification done;
    entities_->Remove(name, [&](absl::Status status) {
      result = std::move(status);
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }
  std::string CapsOf(const std::string& name) {
    const auto caps = entities_->CapsOf(name);
    return caps ? caps->ToString() : "unknown";
  }

  store::ScratchDir dir_;
  std::unique_ptr<store::StateStore> store_;
  std::unique_ptr<Entities> entities_;
};

TEST_F(EntitiesTest, WhatHoldsWhereNothingWasSet) {
  EXPECT_EQ(CapsOf("user/alice"), "unknown");
  EXPECT_EQ(CapsOf("module/hello"), "allow *");
  EXPECT_EQ(CapsOf(kAdmin), "allow *");
  EXPECT_EQ(CapsOf(kPlaintextTcp), "allow *");
}

TEST_F(EntitiesTest, WhatIsSetCountsAndLasts) {
  ASSERT_TRUE(Set("user/alice", "allow r").ok());
  ASSERT_TRUE(Set("user/bob", "").ok());
  ASSERT_TRUE(Set("module/*", "profile module").ok());
  ASSERT_TRUE(Set("module/status", "allow rw").ok());
  ASSERT_TRUE(Set(kPlaintextTcp, "profile reporter").ok());
  for (const bool again : {false, true}) {
    if (again) Open();
    EXPECT_EQ(CapsOf("user/alice"), "allow r");
    EXPECT_EQ(CapsOf("user/bob"), "");
    EXPECT_EQ(CapsOf("module/hello"), "profile module");
    EXPECT_EQ(CapsOf("module/status"), "allow rw");
    EXPECT_EQ(CapsOf(kPlaintextTcp), "profile reporter");
    EXPECT_EQ(entities_->List().size(), 5);
  }
  ASSERT_TRUE(Remove("module/*").ok());
  EXPECT_EQ(CapsOf("module/hello"), "allow *");
  EXPECT_TRUE(absl::IsNotFound(Remove("module/*")));
}

TEST_F(EntitiesTest, AdminCantBeLockedOut) {
  const absl::Status status = Set(kAdmin, "allow r");
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(CapsOf(kAdmin), "allow *");
}

TEST_F(EntitiesTest, NamesThatAreNone) {
  for (const char* name : {"alice", "client.admin", "user/", "user/a b", "user/a/b", "module/",
                           "user/*", "manager/x", ""}) {
    const absl::Status status = ValidateEntityName(name);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("user/NAME")) << name;
  }
  EXPECT_TRUE(ValidateEntityName("user/a.b-c@d").ok());
  EXPECT_TRUE(ValidateEntityName("module/*").ok());
}

TEST_F(EntitiesTest, WhatIsDamagedAllowsNothing) {
  ASSERT_TRUE(store_
                  ->WriteAndWait({.conditions = {},
                                  .changes = {{"auth/entity/user/eve", "allow everything"},
                                              {"auth/entity/module/hello", "x"}}})
                  .ok());
  Open();
  EXPECT_EQ(CapsOf("user/eve"), "");
  EXPECT_EQ(CapsOf("module/hello"), "");
}

}  // namespace
}  // namespace outpost::auth
