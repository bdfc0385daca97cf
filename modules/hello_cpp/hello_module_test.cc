#include "modules/hello_cpp/hello_module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "outpost/testing/fake_manager.h"
#include "outpost/testing/running_module.h"

namespace hello_cpp {
namespace {

using outpost::CommandResult;
using outpost::testing::FakeManager;
using outpost::testing::RunningModule;

class HelloModuleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(manager_, nullptr);
    module_ = std::make_unique<RunningModule<HelloModule>>(manager_->address());
    ASSERT_TRUE(manager_->WaitForModule());
  }

  std::unique_ptr<FakeManager> manager_ = FakeManager::Start();
  std::unique_ptr<RunningModule<HelloModule>> module_;
};

TEST_F(HelloModuleTest, Declares) {
  const auto r = manager_->registration();
  EXPECT_EQ(r.commands(0).signature(), "hello-cpp name=person_name,type=CephString,req=false");
  EXPECT_EQ(r.commands(1).signature(), "hello-cpp count name=num,type=CephInt,range=1|1000");
  EXPECT_EQ(r.commands(0).permissions(), "r");
  EXPECT_TRUE(r.has_serve());
}

TEST_F(HelloModuleTest, Greets) {
  EXPECT_EQ(manager_->RunCommand({{"prefix", "hello-cpp"}}).out, "Hello, world!");
  EXPECT_EQ(manager_->RunCommand({{"prefix", "hello-cpp"}, {"person_name", "Joe"}}).out,
            "Hello, Joe!");
  EXPECT_EQ(manager_->RunCommand({{"prefix", "hello-cpp"}}, " Ann \n\n\tBob\r\n").out,
            "Hello, Ann!\nHello, Bob!");
  EXPECT_EQ(manager_->RunCommand({{"prefix", "hello-cpp"}, {"person_name", "Joe"}}, "Ann").out,
            "Hello, Joe!\nHello, Ann!");
  const CommandResult empty = manager_->RunCommand({{"prefix", "hello-cpp"}}, "\n \n");
  EXPECT_EQ(empty.retval, -EINVAL);
  EXPECT_EQ(empty.err, "hello-cpp: the input file is empty");
  EXPECT_EQ(manager_->RunCommand({{"prefix", "hello-cpp"}}, "").retval, -EINVAL);
}

TEST_F(HelloModuleTest, Counts) {
  EXPECT_EQ(manager_->RunCommand({{"prefix", "hello-cpp count"}, {"num", 3}}).out, "1\n2\n3");
  EXPECT_EQ(manager_->RunCommand({{"prefix", "hello-cpp count"}, {"num", 0}}).retval, -EINVAL);
  EXPECT_EQ(manager_->RunCommand({{"prefix", "hello-cpp count"}, {"num", 1001}}).retval, -EINVAL);
}

TEST_F(HelloModuleTest, FollowsItsOptions) {
  ASSERT_TRUE(manager_->SetOption("emphatic", "false").ok());
  EXPECT_TRUE(manager_->WaitForLog("place is now world, emphatic is now false"));
  ASSERT_TRUE(manager_->SetOption("place", "there").ok());
  EXPECT_TRUE(manager_->WaitForLog("place is now there, emphatic is now false"));
  EXPECT_EQ(manager_->RunCommand({{"prefix", "hello-cpp"}}).out, "Hello, there.");
}

TEST_F(HelloModuleTest, ServesUntilItIsToEnd) {
  manager_->Serve();
  EXPECT_TRUE(manager_->WaitForLog("hello starts"));
  EXPECT_EQ(module_->Stop(), 0);
  EXPECT_TRUE(manager_->WaitForLog("hello ends"));
}

}  // namespace
}  // namespace hello_cpp
