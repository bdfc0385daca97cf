#include "server/auth/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "server/store/sqlite/scratch_dir.h"

namespace outpost::auth {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string Content(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

class AuditLogTest : public testing::Test {
 protected:
  void Open(AuditFile::Limits limits = {}) {
    auto log = AuditLog::Open(path_, limits, [this](uint64_t lost, const std::string& why) {
      absl::MutexLock lock(&mu_);
      troubles_.emplace_back(lost, why);
    });
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  static AuditRecord Record(const std::string& command) {
    AuditRecord record;
    record.began.wall = absl::FromUnixMillis(1'500);
    record.who = "user/alice";
    record.from = "uid 1000, pid 7";
    record.command = command;
    return record;
  }
  std::pair<uint64_t, std::string> AwaitTrouble(size_t count) {
    absl::MutexLock lock(&mu_);
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return troubles_.size() >= count; };
    EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10)));
    return troubles_.empty() ? std::make_pair(uint64_t{0}, std::string()) : troubles_.back();
  }

  uint64_t NumberOfLast() const { return json::parse(log_->Last(1).at(0))["n"]; }

  store::ScratchDir dir_;
  const std::string path_ = dir_.path() + "/audit.log";
  absl::Mutex mu_;
  std::vector<std::pair<uint64_t, std::string>> troubles_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<AuditLog> log_;  // the last, as it tells of troubles until it is gone
};

TEST_F(AuditLogTest, ALineIsAnObject) {
  Open();
  AuditRecord record = Record("config set");
  record.arguments = {{"name", "mgr/hello/place"}, {"value", "a\nb\xff"}};
  record.result = -13;
  record.error = "no";
  record.took = absl::Microseconds(2500);
  log_->Write(record);
  log_.reset();
  const std::string content = Content(path_);
  ASSERT_THAT(content, testing::EndsWith("}\n"));
  EXPECT_EQ(std::count(content.begin(), content.end(), '\n'), 1);
  const json line = json::parse(content, nullptr, false);
  EXPECT_EQ(line["time"], "1970-01-01T00:00:01.500Z");
  EXPECT_EQ(line["who"], "user/alice");
  EXPECT_EQ(line["from"], "uid 1000, pid 7");
  EXPECT_EQ(line["command"], "config set");
  EXPECT_EQ(line["arguments"]["name"], "mgr/hello/place");
  EXPECT_EQ(line["result"], -13);
  EXPECT_EQ(line["error"], "no");
  EXPECT_EQ(line["seconds"], 0.0025);
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(AuditLogTest, RemembersWhatWasWrittenBefore) {
  Open();
  for (int i = 0; i < 5; ++i) log_->Write(Record(absl::StrCat("c", i)));
  log_.reset();
  std::ofstream(path_, std::ios::app) << "half a li";  // a crash of the machine
  Open();
  log_->Write(Record("c5"));
  const std::vector<std::string> last = log_->Last(2);
  ASSERT_EQ(last.size(), 2);
  EXPECT_THAT(last[0], HasSubstr("\"c4\""));
  EXPECT_THAT(last[1], HasSubstr("\"c5\""));
  EXPECT_EQ(log_->Last(100).size(), 6);
  EXPECT_TRUE(log_->Last(0).empty());
}

TEST_F(AuditLogTest, GoesOnInANewFileAfterReopen) {
  Open();
  log_->Write(Record("old"));
  log_.reset();
  Open();
  std::filesystem::rename(path_, path_ + ".1");
  log_->Reopen();
  log_->Write(Record("new"));
  log_.reset();
  EXPECT_THAT(Content(path_ + ".1"), HasSubstr("\"old\""));
  EXPECT_THAT(Content(path_), HasSubstr("\"new\""));
}

TEST_F(AuditLogTest, ALongArgumentIsLeftOut) {
  Open();
  AuditRecord record = Record("x");
  record.arguments = {{"text", std::string(AuditLog::kMaxLine, 'x')}};
  log_->Write(record);
  EXPECT_THAT(log_->Last(1)[0], HasSubstr("bytes)"));
  EXPECT_LT(log_->Last(1)[0].size(), 500);
}

TEST_F(AuditLogTest, AFullDiskLosesLinesAndSaysSo) {
  Open();
  log_->Write(Record("before"));
  log_.reset();
  Open();
  const auto size = std::filesystem::file_size(path_);
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit full = old;
  full.rlim_cur = size + 10;  // a part of a line fits
  signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  log_->Write(Record("lost"));
  const auto [lost, why] = AwaitTrouble(1);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_EQ(lost, 1);
  EXPECT_THAT(why, HasSubstr("audit.log"));
  EXPECT_EQ(std::filesystem::file_size(path_), size);
  log_->Write(Record("after"));
  EXPECT_EQ(AwaitTrouble(2).first, 0);
  log_.reset();
  EXPECT_THAT(Content(path_), HasSubstr("\"after\""));
  EXPECT_THAT(Content(path_), testing::Not(HasSubstr("\"lost\"")));
}

TEST_F(AuditLogTest, LossesAreNotToldOfOneByOne) {
  Open();
  log_->Write(Record("before"));
  log_.reset();
  Open();
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit full = old;
  full.rlim_cur = std::filesystem::file_size(path_) + 10;
  signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  log_->Write(Record("lost"));
  AwaitTrouble(1);
  // For many times as long as lines wait for others.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  while (std::chrono::steady_clock::now() < until) log_->Write(Record("lost"));
  {
    absl::MutexLock lock(&mu_);
    EXPECT_THAT(troubles_, testing::SizeIs(1));
  }
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
}

TEST_F(AuditLogTest, IsRotated) {
  Open({.bytes = 1000, .kept = 2});
  for (int i = 0; i < 60; ++i) {
    log_->Write(Record(absl::StrCat("c", i)));
    log_.reset();  // it is on the disk
    Open({.bytes = 1000, .kept = 2});
  }
  EXPECT_EQ(NumberOfLast(), 60);  // goes on counting, though the file may be new
  log_.reset();
  for (const char* end : {"", ".1", ".2"}) {
    EXPECT_LT(std::filesystem::file_size(path_ + end), 1200) << end;
  }
  EXPECT_FALSE(std::filesystem::exists(path_ + ".3"));
  EXPECT_THAT(Content(path_ + ".1") + Content(path_), HasSubstr("\"c59\""));
}

TEST_F(AuditLogTest, WhoIsRefusedAgainAndAgainFillsNoDisk) {
  Open();
  AuditRecord refused = Record("");
  refused.method = "outpost.v1.Config.Set";
  refused.refused = true;
  for (int i = 0; i < 500; ++i) log_->Write(refused);
  EXPECT_LT(log_->Last(1000).size(), 30);
  refused.who = "user/bob";
  log_->Write(refused);
  log_->Write(Record("done"));
  const std::vector<std::string> last = log_->Last(2);
  EXPECT_THAT(last[0], HasSubstr("user/bob"));
  EXPECT_THAT(last[1], HasSubstr("done"));
  refused.who = "user/alice";
  uint64_t next = log_->End();
  uint64_t missed = 0;
  std::optional<std::string> line;
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (!line && absl::Now() < deadline) {  // one a second may be told
    log_->Write(refused);
    line = log_->Read(&next, &missed);
  }
  ASSERT_TRUE(line.has_value());
  EXPECT_GT(json::parse(*line)["refusals_not_written"], 400);
}

TEST_F(AuditLogTest, AReaderFollows) {
  Open();
  for (int i = 0; i < 3; ++i) log_->Write(Record(absl::StrCat("c", i)));
  int heard = 0;
  const uint64_t id = log_->Listen([&] { ++heard; });
  uint64_t next = log_->Start(2, 0);
  uint64_t missed = 0;
  EXPECT_THAT(log_->Read(&next, &missed).value_or(""), HasSubstr("\"c1\""));
  EXPECT_THAT(log_->Read(&next, &missed).value_or(""), HasSubstr("\"c2\""));
  EXPECT_EQ(log_->Read(&next, &missed), std::nullopt);
  for (size_t i = 0; i < AuditLog::kRemembered + 5; ++i) log_->Write(Record("more"));
  EXPECT_EQ(heard, AuditLog::kRemembered + 5);
  EXPECT_NE(log_->Read(&next, &missed), std::nullopt);
  EXPECT_EQ(missed, 5);
  log_->Unlisten(id);
  log_->Write(Record("x"));
  EXPECT_EQ(heard, AuditLog::kRemembered + 5);
  EXPECT_EQ(log_->Start(100, 2), log_->End() - 100);
  EXPECT_EQ(log_->Start(100, log_->End() - 2), log_->End() - 1);
  EXPECT_EQ(log_->Start(0, 0), log_->End());
}

TEST_F(AuditLogTest, AFileThatCantBeOpened) {
  const auto log = AuditLog::Open(dir_.path() + "/no/such/audit.log", {}, nullptr);
  ASSERT_FALSE(log.ok());
  EXPECT_THAT(std::string(log.status().message()), HasSubstr("no/such/audit.log"));
}

TEST(SoundsSecretTest, Names) {
  for (const char* name : {"mgr/x/api_key", "password", "db_passwd", "AuthToken", "private_pem"}) {
    EXPECT_TRUE(SoundsSecret(name)) << name;
  }
  for (const char* name : {"place", "secret/place", "keyring_path", "monkeys"}) {
    EXPECT_FALSE(SoundsSecret(name)) << name;
  }
}

}  // namespace
}  // namespace outpost::auth
