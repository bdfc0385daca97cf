#include "server/cluster/sealed_text.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

namespace outpost::cluster {
namespace {

TEST(SealedTextTest, AnotherReaderFindsTokenAndBytesUnderThePath) {
  const auto text = SealedText::Create("head,", "tail");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ((*text)->bytes(), "head,tail");
  std::ifstream file((*text)->path(), std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(all, (*text)->token() + "head,tail" + std::string(SealedText::kPadding, '\0'));
}

TEST(SealedTextTest, NobodyCanChangeIt) {
  const auto text = SealedText::Create("", "bytes");
  ASSERT_TRUE(text.ok()) << text.status();
  const int fd = open((*text)->path().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(write(fd, "x", 1), -1);
  EXPECT_EQ(ftruncate(fd, 0), -1);
  EXPECT_EQ(ftruncate(fd, 1 << 20), -1);
  EXPECT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
  close(fd);
  EXPECT_EQ((*text)->bytes(), "bytes");
}

TEST(SealedTextTest, TokensDiffer) {
  EXPECT_NE((*SealedText::Create("", "a"))->token(), (*SealedText::Create("", "a"))->token());
}

TEST(SealedTextTest, ThePathEndsWithIt) {
  auto text = SealedText::Create("", "bytes");
  const std::string path = (*text)->path();
  EXPECT_EQ(access(path.c_str(), R_OK), 0);
  text->reset();
  EXPECT_NE(access(path.c_str(), R_OK), 0);
}

}  // namespace
}  // namespace outpost::cluster
