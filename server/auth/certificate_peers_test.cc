// The list of revoked certificates: what it holds counts, also while the file is no good.
#include "server/auth/certificate_peers.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/auth/certificate_authority.h"
#include "server/auth/private_file.h"
#include "server/auth/revoked_list.h"
#include "server/log/log.h"
#include "server/store/sqlite/scratch_dir.h"

namespace outpost::auth {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RevokedListTest : public testing::Test {
 protected:
  struct Issued {
    std::string pem;
    std::string fingerprint;
  };

  RevokedListTest() { EXPECT_TRUE(InitAuthority(ca_, "outpost", absl::Hours(48)).ok()); }

  Issued IssueTo(const std::string& name) const {
    const std::string out = absl::StrCat(dir_.path(), "/", name);
    fs::create_directories(fs::path(out).parent_path());
    const auto issued =
        Issue(ca_, {.name = name, .hosts = {}, .valid = absl::Hours(24), .output = out});
    EXPECT_TRUE(issued.ok()) << issued.status();
    return {*ReadFile(out + "/tls.crt"), issued->fingerprint};
  }
  void WriteList(const std::string& text) const { ASSERT_TRUE(WritePrivateFile(list_, text).ok()); }
  static size_t ErrorsInLog() {
    return log::History()
        .Last(1000, {.module = "auth", .channel = "", .min_level = v1::LOG_LEVEL_ERROR}, nullptr)
        .size();
  }
  static std::string Problem(CertificatePeers& of, const Issued& whose) {
    return std::string(of.PeerOf(whose.pem)->problem.message());
  }
  static void UntilLookedAgain() { absl::SleepFor(CertificatePeers::kLookAgain); }

  store::ScratchDir dir_;
  const std::string ca_ = dir_.path() + "/ca";
  const std::string list_ = dir_.path() + "/list/revoked";
};

TEST_F(RevokedListTest, WhoWasRevokedStaysSoWhileTheListIsNoGood) {
  fs::create_directory(dir_.path() + "/list");
  const Issued alice = IssueTo("user/alice");
  const Issued bob = IssueTo("user/bob");
  CertificatePeers peers("outpost", list_);
  ASSERT_TRUE(peers.ReadList().ok()) << "it need not be there";
  EXPECT_EQ(Problem(peers, alice), "");
  WriteList(alice.fingerprint + " alice\n");
  UntilLookedAgain();
  EXPECT_THAT(Problem(peers, alice), HasSubstr("was revoked"));
  EXPECT_EQ(peers.PeerOf(alice.pem)->name, "user/alice") << "for the audit";

  const auto each_way = {
      +[](const std::string& list) { fs::remove(list); },
      +[](const std::string& list) {
        fs::remove(list);
        fs::create_directory(list);
      },
      +[](const std::string& list) {  // ENOTDIR, of stat itself
        fs::remove_all(fs::path(list).parent_path());
        std::ofstream(fs::path(list).parent_path()) << "no directory";
      },
      +[](const std::string& list) {
        fs::remove(fs::path(list).parent_path());
        fs::create_directory(fs::path(list).parent_path());
        std::ofstream{list};
        fs::resize_file(list, kMaxRevokedList + 1);
      },
  };
  for (const auto& spoil : each_way) {
    const size_t errors = ErrorsInLog();
    spoil(list_);
    UntilLookedAgain();
    EXPECT_THAT(Problem(peers, alice), HasSubstr("was revoked"));
    EXPECT_TRUE(peers.IsRevoked(*peers.PeerOf(alice.pem)));
    EXPECT_EQ(Problem(peers, bob), "");
    EXPECT_EQ(ErrorsInLog(), errors + 1);
    UntilLookedAgain();
    EXPECT_THAT(Problem(peers, alice), HasSubstr("was revoked"));
    EXPECT_EQ(ErrorsInLog(), errors + 1) << "told once";
  }
  WriteList(bob.fingerprint + "\n");
  UntilLookedAgain();
  EXPECT_THAT(Problem(peers, bob), HasSubstr("was revoked"));
  EXPECT_EQ(Problem(peers, alice), "") << "the list is read again";
}

TEST_F(RevokedListTest, ALineThatIsNoneHidesNoOther) {
  fs::create_directory(dir_.path() + "/list");
  const Issued alice = IssueTo("user/alice");
  const Issued bob = IssueTo("user/bob");
  WriteList(alice.fingerprint);
  CertificatePeers peers("outpost", list_);
  ASSERT_TRUE(peers.ReadList().ok());
  const size_t errors = ErrorsInLog();
  WriteList(absl::StrCat(alice.fingerprint.substr(0, 30), "\n", bob.fingerprint, "\n"));
  UntilLookedAgain();
  EXPECT_THAT(Problem(peers, alice), HasSubstr("was revoked"));
  EXPECT_THAT(Problem(peers, bob), HasSubstr("was revoked"));
  EXPECT_EQ(ErrorsInLog(), errors + 1);
  // As openssl x509 -fingerprint prints it.
  std::string colons;
  for (size_t i = 0; i < bob.fingerprint.size(); i += 2) {
    absl::StrAppend(&colons, i == 0 ? "" : ":", bob.fingerprint.substr(i, 2));
  }
  WriteList(absl::StrCat("# of this year\n", absl::AsciiStrToUpper(colons), "\n"));
  UntilLookedAgain();
  EXPECT_THAT(Problem(peers, bob), HasSubstr("was revoked"));
  EXPECT_EQ(Problem(peers, alice), "");
}

TEST_F(RevokedListTest, ALongListCountsToItsLastLine) {
  fs::create_directory(dir_.path() + "/list");
  const Issued alice = IssueTo("user/alice");
  std::string text;
  constexpr int kOthers = 30'000;
  for (int i = 0; i < kOthers; ++i) {
    absl::StrAppend(&text, absl::Hex(i, absl::kZeroPad16), std::string(48, '0'), "\n");
  }
  ASSERT_GT(text.size(), size_t{1} << 20);
  WriteList(absl::StrCat(text, alice.fingerprint, "\n"));
  CertificatePeers peers("outpost", list_);
  ASSERT_TRUE(peers.ReadList().ok());
  EXPECT_THAT(Problem(peers, alice), HasSubstr("was revoked"));
}

TEST_F(RevokedListTest, WithAListThatCantBeReadNobodyBegins) {
  fs::create_directory(dir_.path() + "/list");
  const auto begin = [this] {
    return std::string(CertificatePeers("outpost", list_).ReadList().message());
  };
  fs::create_directory(list_);
  EXPECT_THAT(begin(), HasSubstr(list_));
  fs::remove(list_);
  fs::create_symlink(list_, list_);
  EXPECT_THAT(begin(), HasSubstr("symbolic links"));
  fs::remove(list_);
  WriteList("0123 alice\n");
  EXPECT_THAT(begin(), HasSubstr("line 1: \"0123\" is not the SHA-256 of a certificate"));
  fs::resize_file(list_, kMaxRevokedList + 1);
  EXPECT_THAT(begin(), HasSubstr("has more than"));
}

// The file is a pipe here: who reads it, waits.
TEST_F(RevokedListTest, WhoLooksKeepsNobodyElseUp) {
  fs::create_directory(dir_.path() + "/list");
  const Issued alice = IssueTo("user/alice");
  WriteList("");
  CertificatePeers peers("outpost", list_);
  bool went_by = false;
  // Who comes after kOldest waits, too: on a busy machine that may be the one below.
  for (int attempt = 0; attempt < 30 && !went_by; ++attempt) {
    peers.IsRevoked(*peers.PeerOf(alice.pem));
    UntilLookedAgain();
    fs::remove(list_);
    ASSERT_EQ(mkfifo(list_.c_str(), 0600), 0);
    std::thread looks([&] { peers.PeerOf(alice.pem); });
    int writer = -1;
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (writer < 0 && absl::Now() < deadline) {
      writer = open(list_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);  // once it is read
    }
    ASSERT_GE(writer, 0);
    std::atomic<bool> ended = false;
    std::thread ends([&] {
      const absl::Time until = absl::Now() + absl::Seconds(1);
      while (!ended && absl::Now() < until) absl::SleepFor(absl::Milliseconds(1));
      went_by = ended;
      close(writer);
    });
    peers.PeerOf(alice.pem);
    ended = true;
    ends.join();
    looks.join();
  }
  EXPECT_TRUE(went_by);
}

}  // namespace
}  // namespace outpost::auth
