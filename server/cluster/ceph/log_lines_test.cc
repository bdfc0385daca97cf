#include "server/cluster/ceph/log_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace outpost::cluster::ceph {
namespace {

using testing::Eq;
using testing::Optional;

constexpr absl::Time kNow = absl::FromUnixSeconds(1700000000);

LogLines::Raw Raw(absl::string_view rank, uint64_t sequence, absl::string_view message) {
  return {.channel = "cluster",
          .rank = rank,
          .name = "mon.a",
          .time = kNow,
          .sequence = sequence,
          .level = "[WRN]",
          .message = message};
}

v1::LogRecord Line(const char* message, v1::LogLevel level = v1::LOG_LEVEL_INFO,
                   const char* channel = "cluster") {
  v1::LogRecord line;
  line.set_message(message);
  line.set_level(level);
  line.set_channel(channel);
  return line;
}

TEST(LogLinesTest, ALineIsRead) {
  LogLines lines;
  const std::optional<v1::LogRecord> line = lines.Received(Raw("mon.0", 1, "a text"));
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->message(), "a text");
  EXPECT_EQ(line->channel(), "cluster");
  EXPECT_EQ(line->level(), v1::LOG_LEVEL_WARNING);
  EXPECT_EQ(line->time().seconds(), 1700000000);
}

TEST(LogLinesTest, ALineThatComesAgainIsLeftOut) {
  LogLines lines;
  EXPECT_TRUE(lines.Received(Raw("mon.0", 1, "a text")).has_value());
  EXPECT_FALSE(lines.Received(Raw("mon.0", 1, "a text")).has_value());
  EXPECT_TRUE(lines.Received(Raw("mon.0", 2, "a text")).has_value());
  EXPECT_TRUE(lines.Received(Raw("mon.1", 1, "a text")).has_value());
  // Lines of commands have no sequence of their own.
  EXPECT_TRUE(lines.Received(Raw("client.9", 0, "one")).has_value());
  EXPECT_TRUE(lines.Received(Raw("client.9", 0, "two")).has_value());
  for (uint64_t i = 0; i < LogLines::kRemembered; ++i) lines.Received(Raw("osd.1", i, "x"));
  EXPECT_TRUE(lines.Received(Raw("mon.0", 1, "a text")).has_value()) << "it is forgotten";
}

TEST(LogLinesTest, WhatWasWrittenHereDoesNotComeBack) {
  LogLines lines;
  lines.SetOwnAddress("127.0.0.1:0/7");
  EXPECT_THAT(lines.Send(Line("hello")), Optional(Eq("hello")));
  EXPECT_TRUE(lines.Received(Raw("client.? 127.0.0.1:0/77", 0, "hello")).has_value())
      << "somebody else's";
  EXPECT_TRUE(lines.Received(Raw("client.? 1127.0.0.1:0/7", 0, "hello")).has_value());
  EXPECT_FALSE(lines.Received(Raw("client.? 127.0.0.1:0/7", 0, "hello")).has_value());
  EXPECT_TRUE(lines.Received(Raw("client.? 127.0.0.1:0/7", 0, "hello")).has_value()) << "only once";
  // What was not written is not expected.
  EXPECT_TRUE(lines.Send(Line("never")).has_value());
  lines.Sent("never", false);
  EXPECT_TRUE(lines.Received(Raw("client.? 127.0.0.1:0/7", 0, "never")).has_value());
}

TEST(LogLinesTest, LevelsAndChannelsStandBeforeTheMessage) {
  LogLines lines;
  EXPECT_THAT(lines.Send(Line("a", v1::LOG_LEVEL_WARNING)), Optional(Eq("[WRN] a")));
  EXPECT_THAT(lines.Send(Line("a", v1::LOG_LEVEL_ERROR, "audit")), Optional(Eq("audit: [ERR] a")));
  EXPECT_THAT(lines.Send(Line("a", v1::LOG_LEVEL_UNSPECIFIED)), Optional(Eq("a")));
}

TEST(LogLinesTest, TooManyAtOnceAreRefused) {
  LogLines lines;
  for (size_t i = 0; i < LogLines::kMaxOnTheirWay; ++i) {
    EXPECT_TRUE(lines.Send(Line("x")).has_value());
  }
  EXPECT_FALSE(lines.Send(Line("x")).has_value());
  lines.Sent("x", true);
  EXPECT_TRUE(lines.Send(Line("x")).has_value());
}

}  // namespace
}  // namespace outpost::cluster::ceph
