// What libraries say is bounded, and is in the log.
#include "server/log/library_log.h"

#include <gmock/gmock.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/types.pb.h"
#include "server/log/log.h"

namespace outpost::log {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::SizeIs;

// The lines of the component "rpc" with these words, from here on.
class Lines {
 public:
  explicit Lines(const std::string& words)
      : listener_(History().Listen([this, words](const LinePtr& line) {
          if (line->source != "rpc" || !absl::StrContains(line->record.message(), words)) return;
          absl::MutexLock lock(&mu_);
          lines_.push_back(line->record.message());
        })) {}
  ~Lines() { History().Unlisten(listener_); }
  std::vector<std::string> all() const {
    absl::MutexLock lock(&mu_);
    return lines_;
  }

 private:
  mutable absl::Mutex mu_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mu_);
  const uint64_t listener_;
};

class LibraryLogTest : public testing::Test {
 protected:
  LibraryLogTest() {
    gpr_log_verbosity_init();  // as grpc_init() does
    CaptureLibraryLogs();
  }
};

TEST_F(LibraryLogTest, WhatIsNoUtf8FillsNoDisk) {
  const Lines lines("libprotobuf: ");
  const std::string bad = "\x22\x01\xff";  // a string, field 4
  v1::LogRecord record;
  ASSERT_TRUE(record.GetDescriptor()->FindFieldByNumber(4)->type() ==
              google::protobuf::FieldDescriptor::TYPE_STRING);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(record.ParseFromString(bad));
  // For as long as that takes, one a second more.
  EXPECT_THAT(lines.all(), SizeIs(testing::AllOf(testing::Ge(20), testing::Le(40))));
  EXPECT_THAT(lines.all(), Each(HasSubstr("invalid UTF-8")));
}

TEST_F(LibraryLogTest, OfGrpcToo) {
  const Lines lines("gRPC: ");
  for (int i = 0; i < 10'000; ++i) gpr_log(GPR_ERROR, "handshake %d failed", i);
  EXPECT_THAT(lines.all(), SizeIs(testing::AllOf(testing::Ge(20), testing::Le(40))));
  EXPECT_THAT(lines.all().front(), HasSubstr("handshake 0 failed"));
}

}  // namespace
}  // namespace outpost::log
