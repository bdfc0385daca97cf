#include "outpost/internal/orphan_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"

namespace outpost::internal {
namespace {

constexpr size_t kMuch = size_t{1} << 20;  // no FIFO holds so much

class OrphanOutputTest : public testing::Test {
 protected:
  OrphanOutputTest() {
    path_ = absl::StrCat(getenv("TEST_TMPDIR"), "/fifo-", getpid());
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    fifo_ = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  }
  ~OrphanOutputTest() override {
    close(fifo_);
    unlink(path_.c_str());
  }
  std::string path_;
  int fifo_;
};

TEST_F(OrphanOutputTest, WritingDoesNotBlockAndTheNewestStays) {
  OrphanOutput output(fifo_);
  output.Orphaned();
  output.Orphaned();
  const std::string text = std::string(kMuch, 'x') + "the end";
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = write(fifo_, text.data() + at, std::min<size_t>(text.size() - at, 1000));
    ASSERT_GT(n, 0);
    at += static_cast<size_t>(n);
  }
  const uint64_t dropped = output.Adopted();
  EXPECT_GT(dropped, kMuch / 2);
  std::string left(text.size() - dropped, ' ');
  ASSERT_EQ(read(fifo_, left.data(), left.size()), static_cast<ssize_t>(left.size()));
  EXPECT_EQ(left, text.substr(dropped));
  EXPECT_EQ(output.Adopted(), 0u);
}

TEST_F(OrphanOutputTest, LittleOutputIsNotTouched) {
  OrphanOutput output(fifo_);
  output.Orphaned();
  ASSERT_EQ(write(fifo_, "hello", 5), 5);
  poll(nullptr, 0, 120);  // longer than it takes to look
  EXPECT_EQ(output.Adopted(), 0u);
  char buffer[16];
  EXPECT_EQ(read(fifo_, buffer, sizeof buffer), 5);
}

TEST_F(OrphanOutputTest, WhatIsNotTheSupervisorsIsLeftAlone) {
  const int writer = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  OrphanOutput output(writer);
  output.Orphaned();
  EXPECT_EQ(output.Adopted(), 0u);
  close(writer);
  OrphanOutput closed(writer);
  closed.Orphaned();
  EXPECT_EQ(closed.Adopted(), 0u);
}

}  // namespace
}  // namespace outpost::internal
