#include "outpost/internal/shared_text.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "outpost/structure_view.h"

namespace outpost::internal {
namespace {

constexpr int kAllSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// A file as a manager makes it.
class File {
 public:
  explicit File(const std::string& content, int seals = kAllSeals)
      : fd_(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    EXPECT_EQ(write(fd_, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    EXPECT_EQ(fcntl(fd_, F_ADD_SEALS, seals), 0);
  }
  ~File() { close(fd_); }

  v1::SharedText Shared(const std::string& token, uint64_t size) const {
    v1::SharedText shared;
    shared.set_path(absl::StrCat("/proc/", getpid(), "/fd/", fd_));
    shared.set_token(token);
    shared.set_offset(token.size());
    shared.set_size(size);
    return shared;
  }

 private:
  const int fd_;
};

const std::string kPadding(StructureText::kPadding, '\0');

TEST(SharedTextTest, IsMappedAndOutlivesItsFile) {
  std::optional<StructureText> text;
  {
    const File file("token{\"epoch\":7}" + kPadding);
    text = MapShared(file.Shared("token", 11));
  }
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(text->text, "{\"epoch\":7}");
  const StructureRef structure("osd_map", 1, *std::move(text));
  EXPECT_EQ(structure.parsed().at("epoch"), 7);
  EXPECT_EQ(int64_t{(*View(structure))["epoch"]}, 7);
}

TEST(SharedTextTest, WhatCouldStillChangeIsNotTaken) {
  const std::string content = "token{}" + kPadding;
  EXPECT_FALSE(MapShared(File(content, 0).Shared("token", 2)).has_value());
  EXPECT_FALSE(MapShared(File(content, F_SEAL_WRITE).Shared("token", 2)).has_value());
  EXPECT_FALSE(MapShared(File(content, F_SEAL_SHRINK).Shared("token", 2)).has_value());
  EXPECT_TRUE(MapShared(File(content).Shared("token", 2)).has_value());
}

TEST(SharedTextTest, AnotherFileUnderThePathIsNotTaken) {
  const File file("other{}" + kPadding);
  EXPECT_FALSE(MapShared(file.Shared("token", 2)).has_value());
  EXPECT_FALSE(MapShared(file.Shared("", 2)).has_value());
  EXPECT_FALSE(MapShared(file.Shared("other", 3)).has_value());  // the padding is missing
  v1::SharedText shared = file.Shared("other", 2);
  shared.set_path("/nonexistent");
  EXPECT_FALSE(MapShared(shared).has_value());
  shared.set_path("/etc/hostname");  // has no seals
  EXPECT_FALSE(MapShared(shared).has_value());
  shared = file.Shared("other", UINT64_MAX - 10);
  EXPECT_FALSE(MapShared(shared).has_value());
}

TEST(SharedTextTest, AViewOfWhatIsNotJsonSaysSo) {
  EXPECT_TRUE(absl::IsInternal(View(StructureRef("osd_map", 1, std::string("{"))).status()));
  EXPECT_EQ((*View(StructureRef("osd_map", 1, std::string("[1,2]")))).at(1).get_int64().value(), 2);
}

}  // namespace
}  // namespace outpost::internal
