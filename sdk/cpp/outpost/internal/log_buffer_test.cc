#include "outpost/internal/log_buffer.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "outpost/internal/utf8.h"
#include "outpost/v1/module_host.pb.h"

namespace outpost::internal {
namespace {

TEST(LogBufferTest, LinesLeaveInOrder) {
  LogBuffer buffer;
  v1::LogBatch batch;
  EXPECT_FALSE(buffer.TakeBatch(&batch));
  int told = 0;
  buffer.SetListener([&told] { ++told; });
  buffer.Append(LogLevel::kInfo, "part", "one");
  buffer.AppendQuietly(LogLevel::kError, "", "two");
  EXPECT_EQ(told, 1);
  ASSERT_TRUE(buffer.TakeBatch(&batch));
  ASSERT_EQ(batch.records_size(), 2);
  EXPECT_EQ(batch.records(0).message(), "one");
  EXPECT_EQ(batch.records(0).logger(), "part");
  EXPECT_EQ(batch.records(0).level(), v1::LOG_LEVEL_INFO);
  EXPECT_GT(batch.records(0).time().seconds(), 0);
  EXPECT_EQ(batch.records(1).level(), v1::LOG_LEVEL_ERROR);
  EXPECT_FALSE(buffer.TakeBatch(&batch));
}

TEST(LogBufferTest, DropsTheOldestAndCountsThem) {
  LogBuffer buffer;
  for (size_t i = 0; i < LogBuffer::kMaxLines + 3; ++i) {
    buffer.Append(LogLevel::kInfo, "", absl::StrCat(i));
  }
  v1::LogBatch batch;
  ASSERT_TRUE(buffer.TakeBatch(&batch));
  EXPECT_EQ(batch.dropped(), 3);
  EXPECT_EQ(batch.records(0).message(), "3");
  EXPECT_EQ(batch.records_size(), LogBuffer::kBatchLines);
  v1::LogBatch next;
  ASSERT_TRUE(buffer.TakeBatch(&next));
  EXPECT_EQ(next.dropped(), 0);
}

TEST(LogBufferTest, BytesAreBoundedToo) {
  LogBuffer buffer;
  const std::string large(LogBuffer::kMaxLineBytes + 100, 'x');
  for (int i = 0; i < 100; ++i) buffer.Append(LogLevel::kInfo, "", large);
  v1::LogBatch batch;
  ASSERT_TRUE(buffer.TakeBatch(&batch));
  EXPECT_EQ(batch.dropped(), 100 - LogBuffer::kMaxBytes / LogBuffer::kMaxLineBytes);
  EXPECT_EQ(batch.records(0).message().size(), LogBuffer::kMaxLineBytes);
  EXPECT_EQ(batch.records_size(), LogBuffer::kBatchBytes / LogBuffer::kMaxLineBytes);
}

std::string Content(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

TEST(LogBufferTest, ClusterLinesGoToTheManagerThoughThereIsAFile) {
  const std::string path = testing::TempDir() + "/buffer.log";
  LogBuffer buffer;
  buffer.Route({.file = path, .cluster_level = LogLevel::kError});
  buffer.Append(LogLevel::kWarning, "part", "for the file");
  buffer.Append(LogLevel::kError, "", "for both");
  buffer.AppendToChannel("audit", LogLevel::kInfo, "for a channel");
  v1::LogBatch batch;
  ASSERT_TRUE(buffer.TakeBatch(&batch));
  ASSERT_EQ(batch.records_size(), 2);
  EXPECT_EQ(batch.records(0).message(), "for both");
  EXPECT_EQ(batch.records(0).channel(), "cluster");
  EXPECT_EQ(batch.records(1).channel(), "audit");
  const std::string text = Content(path);
  EXPECT_NE(text.find("[WARNING] [part] for the file\n"), std::string::npos) << text;
  EXPECT_NE(text.find("[ERROR] [root] for both\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("for a channel"), std::string::npos) << text;
}

TEST(LogBufferTest, AFileThatWasMovedAwayIsMadeAgain) {
  const std::string path = testing::TempDir() + "/rotated.log";
  LogBuffer buffer;
  buffer.Route({.file = path});
  buffer.Append(LogLevel::kInfo, "", "before");
  ASSERT_EQ(std::rename(path.c_str(), (path + ".1").c_str()), 0);
  buffer.Append(LogLevel::kInfo, "", "after");
  EXPECT_NE(Content(path + ".1").find("before"), std::string::npos);
  EXPECT_NE(Content(path).find("after"), std::string::npos);
}

TEST(LogBufferTest, AFileThatCannotBeMadeIsTold) {
  LogBuffer buffer;
  buffer.Route({.file = "/nonexistent/m.log"});
  buffer.Append(LogLevel::kInfo, "", "not lost");
  v1::LogBatch batch;
  ASSERT_TRUE(buffer.TakeBatch(&batch));
  ASSERT_EQ(batch.records_size(), 2);
  EXPECT_EQ(batch.records(0).message(),
            "log_to_file has no effect: /nonexistent/m.log: No such file or directory; lines go to "
            "the manager's log");
  EXPECT_EQ(batch.records(1).message(), "not lost");
}

TEST(LogRoutingTest, FollowsTheOptions) {
  OptionValues options;
  EXPECT_EQ(RoutingOf(options, "m", "/log/mgr.x.log"), LogRouting());
  options.Apply({{"log_level", "debug"},
                 {"log_to_file", "true"},
                 {"log_to_cluster", "true"},
                 {"log_to_cluster_level", "error"}});
  const LogRouting routing = RoutingOf(options, "m", "/log/mgr.x.log");
  EXPECT_EQ(routing.level, LogLevel::kDebug);
  EXPECT_EQ(routing.file, "/log/mgr.x.m.log");
  EXPECT_EQ(routing.cluster_level, LogLevel::kError);
  EXPECT_EQ(RoutingOf(options, "m", "/log/mgr").file, "/log/mgr.m.log");
  EXPECT_EQ(RoutingOf(options, "m", "").file, "");
  EXPECT_NE(RoutingOf(options, "m", "").problem, "");
}

TEST(Utf8Test, KnowsWhatIsWellFormed) {
  for (const char* good : {"", "a", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                           "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
    EXPECT_EQ(ToUtf8(good), good);
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xC3", "\xE2\x82", "\xE0\x80\x80", "\xED\xA0\x80",
                          "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF8\x80\x80\x80\x80", "\xFF"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
    EXPECT_TRUE(IsUtf8(ToUtf8(bad)));
  }
  EXPECT_EQ(ToUtf8("a\xFF\xC3\xA4\xC3"), "a?\xC3\xA4?");
}

TEST(Utf8Test, CutsBetweenCharacters) {
  EXPECT_EQ(CutUtf8("a\xE2\x82\xAC", 4), "a\xE2\x82\xAC");
  EXPECT_EQ(CutUtf8("a\xE2\x82\xAC", 3), "a");
  EXPECT_EQ(CutUtf8("\xE2\x82\xAC", 2), "");
}

}  // namespace
}  // namespace outpost::internal
