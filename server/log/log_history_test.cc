#include "server/log/log_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"

namespace outpost::log {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

v1::LogRecord Record(const std::string& message, v1::LogLevel level = v1::LOG_LEVEL_INFO,
                     const std::string& channel = "") {
  v1::LogRecord record;
  record.set_message(message);
  record.set_level(level);
  record.set_channel(channel);
  return record;
}

std::vector<std::string> Texts(const std::vector<LinePtr>& lines) {
  std::vector<std::string> texts;
  texts.reserve(lines.size());
  for (const LinePtr& line : lines) texts.push_back(line->record.message());
  return texts;
}

TEST(LogHistoryTest, KnowsWhoWroteToIt) {
  LogHistory history;
  EXPECT_THAT(history.Sources(), IsEmpty());
  history.Append("b", Record("1"));
  history.Append("a", Record("2"));
  history.Append("b", Record("3"));
  EXPECT_THAT(history.Sources(), ElementsAre("a", "b"));
}

TEST(LogHistoryTest, TheLastLinesThatMatch) {
  LogHistory history;
  history.Append("a", Record("1"));
  history.Append("b", Record("2", v1::LOG_LEVEL_ERROR));
  history.Append("a", Record("3", v1::LOG_LEVEL_WARNING, "cluster"));
  history.Append("b", Record("4", v1::LOG_LEVEL_DEBUG, "audit"));
  history.Append("a", Record("5", v1::LOG_LEVEL_UNSPECIFIED));
  uint64_t next = 0;
  EXPECT_THAT(Texts(history.Last(3, {}, &next)), ElementsAre("3", "4", "5"));
  EXPECT_EQ(next, 6u);
  EXPECT_THAT(Texts(history.Last(9, {.module = "a", .channel = ""}, nullptr)),
              ElementsAre("1", "3", "5"));
  EXPECT_THAT(Texts(history.Last(9, {.module = "", .channel = "*"}, nullptr)),
              ElementsAre("3", "4"));
  EXPECT_THAT(Texts(history.Last(9, {.module = "", .channel = "audit"}, nullptr)),
              ElementsAre("4"));
  EXPECT_THAT(Texts(history.Last(9, {.module = "", .channel = "", .min_level = v1::LOG_LEVEL_INFO},
                                 nullptr)),
              ElementsAre("1", "2", "3", "5"));
  EXPECT_THAT(Texts(history.Last(0, {}, nullptr)), IsEmpty());
}

TEST(LogHistoryTest, AReaderWhoIsTooSlowIsToldHowManyAreGone) {
  LogHistory history;
  uint64_t next = 0;
  uint64_t missed = 0;
  history.Last(0, {}, &next);
  EXPECT_EQ(history.Read(&next, {}, &missed), nullptr);
  for (size_t i = 0; i < LogHistory::kMaxLines + 7; ++i) history.Append("a", Record("x"));
  ASSERT_NE(history.Read(&next, {}, &missed), nullptr);
  EXPECT_EQ(missed, 7u);
  size_t left = 0;
  while (history.Read(&next, {}, &missed) != nullptr) ++left;
  EXPECT_EQ(left, LogHistory::kMaxLines - 1);
  EXPECT_EQ(missed, 7u);
}

TEST(LogHistoryTest, LongLinesAreBoundedByTheirSize) {
  LogHistory history;
  const std::string text(1 << 20, 'x');
  for (int i = 0; i < 40; ++i) history.Append("a", Record(text));
  EXPECT_LE(history.Last(100, {}, nullptr).size(), 16u);
  history.Append("a", Record(std::string(LogHistory::kMaxBytes * 2, 'y')));
  EXPECT_EQ(history.Last(100, {}, nullptr).size(), 1u) << "the newest is always kept";
}

TEST(LogHistoryTest, ListenersHearEachLineUntilTheyAreGone) {
  LogHistory history;
  std::atomic<int> heard{0};
  const uint64_t id = history.Listen([&heard](const LinePtr&) { ++heard; });
  std::vector<std::thread> writers;
  writers.reserve(4);
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&history] {
      for (int line = 0; line < 500; ++line) history.Append("a", Record(absl::StrCat(line)));
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(heard, 2000);
  history.Unlisten(id);
  history.Append("a", Record("after"));
  EXPECT_EQ(heard, 2000);
}

}  // namespace
}  // namespace outpost::log
