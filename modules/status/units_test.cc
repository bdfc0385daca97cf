#include "modules/status/units.h"

#include <gtest/gtest.h>

namespace status {
namespace {

// The texts are those of Ceph's format_dimless and format_bytes for width 5.
TEST(UnitsTest, CountsGoInThousands) {
  EXPECT_EQ(FormatCount(0), "   0 ");
  EXPECT_EQ(FormatCount(999), " 999 ");
  EXPECT_EQ(FormatCount(9999), "9999 ");
  EXPECT_EQ(FormatCount(10000), "10.0k");
  EXPECT_EQ(FormatCount(123456), " 123k");
  EXPECT_EQ(FormatCount(12345678), "12.3M");
  EXPECT_EQ(FormatCount(-5), "  -5 ");
}

TEST(UnitsTest, BytesGoIn1024s) {
  EXPECT_EQ(FormatBytes(1024), "1024 ");
  EXPECT_EQ(FormatBytes(10240), "10.0k");
  EXPECT_EQ(FormatBytes(5368709120), "5120M");
  EXPECT_EQ(FormatBytes(int64_t{1} << 40), "1024G");
  EXPECT_EQ(FormatBytes(int64_t{1} << 62), "4096P");
}

}  // namespace
}  // namespace status
