#include "server/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/store/sqlite/scratch_dir.h"

namespace outpost::log {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class LogTest : public testing::Test {
 protected:
  store::ScratchDir scratch_;
  const std::string file_ = scratch_.File("outpostd.log");
};

TEST_F(LogTest, EachComponentHasItsLevel) {
  ASSERT_TRUE(Configure({.file = file_, .level = "warning", .levels = {{"rpc", "debug"}}}).ok());
  Get("rpc").debug("rpc {}", 1);
  Get("module").info("module 1");
  Get("module").warn("module 2");
  Get("never named before").info("other 1");
  Get("never named before").error("other 2");
  const std::string text = Read(file_);
  EXPECT_THAT(text, HasSubstr("debug [rpc] rpc 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("module 1")));
  EXPECT_THAT(text, HasSubstr("warning [module] module 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("other 1")));
  EXPECT_THAT(text, HasSubstr("error [never named before] other 2\n"));
  // Loggers that exist already follow.
  ASSERT_TRUE(Configure({.file = file_, .level = "info", .levels = {}}).ok());
  Get("module").info("module 3");
  Get("rpc").debug("rpc 2");
  EXPECT_THAT(Read(file_), HasSubstr("module 3"));
  EXPECT_THAT(Read(file_), Not(HasSubstr("rpc 2")));
}

TEST_F(LogTest, ALineHasItsTimeLevelAndComponent) {
  ASSERT_TRUE(Configure({.file = file_, .level = "info", .levels = {}}).ok());
  Get("main").info("hello");
  EXPECT_THAT(Read(file_),
              MatchesRegex("[0-9-]+T[0-9:]+\\.[0-9]+[+-][0-9:]+ info \\[main\\] hello\n"));
}

TEST_F(LogTest, AfterARotationReopenGoesOnInANewFile) {
  ASSERT_TRUE(Configure({.file = file_, .level = "info", .levels = {}}).ok());
  Get("main").info("one");
  std::filesystem::rename(file_, file_ + ".1");
  Get("main").info("two");
  ASSERT_TRUE(Reopen().ok());
  Get("main").info("three");
  EXPECT_THAT(Read(file_ + ".1"), HasSubstr("two"));
  EXPECT_THAT(Read(file_), HasSubstr("three"));
  EXPECT_THAT(Read(file_), Not(HasSubstr("two")));
  ASSERT_TRUE(Reopen().ok());
  Get("main").info("four");
  EXPECT_THAT(Read(file_), HasSubstr("three")) << "appended, not truncated";
}

TEST_F(LogTest, WhereReopenFailsTheOldFileIsWrittenOn) {
  const std::string directory = scratch_.File("logs");
  ASSERT_TRUE(Configure({.file = directory + "/log", .level = "info", .levels = {}}).ok());
  Get("main").info("one");
  std::filesystem::rename(directory, directory + ".old");
  std::ofstream(directory) << "a file where the directory was";
  const absl::Status status = Reopen();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr(directory + "/log"));
  Get("main").info("two");
  EXPECT_THAT(Read(directory + ".old/log"), HasSubstr("two"));
}

TEST_F(LogTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(Configure({.file = "", .level = "loud", .levels = {}}),
            absl::InvalidArgumentError("log level \"loud\" is not one of trace, debug, info, "
                                       "warning, error, critical, off"));
  EXPECT_EQ(Configure({.file = "", .level = "info", .levels = {{"rpc", ""}}}),
            absl::InvalidArgumentError("log level \"\" is not one of trace, debug, info, warning, "
                                       "error, critical, off"));
  EXPECT_EQ(Configure({.file = "", .level = "info", .levels = {{"modul", "info"}}}),
            absl::InvalidArgumentError("log component \"modul\" is not one of main, module, rpc, "
                                       "command, store, config, cluster, auth"));
  std::ofstream(scratch_.File("file")) << "x";
  const absl::Status status =
      Configure({.file = scratch_.File("file/log"), .level = "info", .levels = {}});
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(status.ToString(), HasSubstr("log file " + scratch_.File("file/log")));
}

TEST_F(LogTest, OffIsALevel) {
  ASSERT_TRUE(Configure({.file = file_, .level = "off", .levels = {}}).ok());
  Get("main").critical("never");
  EXPECT_THAT(Read(file_), IsEmpty());
}

}  // namespace
}  // namespace outpost::log
