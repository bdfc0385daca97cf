#include "dice_module.h"

#include <gtest/gtest.h>

#include <memory>

#include "outpost/testing/fake_manager.h"
#include "outpost/testing/running_module.h"

namespace {

using outpost::CommandResult;
using outpost::Json;

class DiceTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(manager_->WaitForModule()); }

  const std::unique_ptr<outpost::testing::FakeManager> manager_ =
      outpost::testing::FakeManager::Start();
  outpost::testing::RunningModule<DiceModule> module_{manager_->address(), "dice"};
};

TEST_F(DiceTest, ThrowsAndRemembers) {
  ASSERT_TRUE(manager_->SetOption("sides", "2").ok());
  manager_->SetStore("total", "100");
  const CommandResult result =
      manager_->RunCommand({{"prefix", "dice throw"}, {"number", 3}, {"format", "json"}});
  ASSERT_EQ(result.retval, 0) << result.err;
  const Json thrown = Json::parse(result.out, nullptr, false);
  ASSERT_EQ(thrown["eyes"].size(), 3);
  for (const Json& eyes : thrown["eyes"]) EXPECT_TRUE(eyes == 1 || eyes == 2) << eyes;
  EXPECT_EQ(manager_->store().at("total"), thrown["total"].dump());
}

TEST_F(DiceTest, AStoreThatIsSpoiltIsAnError) {
  manager_->SetStore("total", "many");
  const CommandResult result = manager_->RunCommand({{"prefix", "dice throw"}});
  EXPECT_LT(result.retval, 0);
  EXPECT_EQ(result.err, "the key total is no number: many");
}

TEST_F(DiceTest, OnesAreBadLuck) {
  // With two sides it does not take long.
  ASSERT_TRUE(manager_->SetOption("sides", "2").ok());
  Json eyes;
  do {
    const CommandResult result =
        manager_->RunCommand({{"prefix", "dice throw"}, {"format", "json"}});
    eyes = Json::parse(result.out, nullptr, false).at("eyes");
    EXPECT_EQ(manager_->health_checks().contains("DICE_BAD_LUCK"), eyes == Json{1});
  } while (eyes != Json{1});
}

}  // namespace
