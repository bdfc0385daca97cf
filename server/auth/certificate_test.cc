#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "absl/time/clock.h"
#include "server/auth/certificate_authority.h"
#include "server/auth/certificate_peers.h"
#include "server/auth/private_file.h"
#include "server/auth/x509.h"
#include "server/store/sqlite/scratch_dir.h"

namespace outpost::auth {
namespace {

using testing::HasSubstr;

constexpr absl::Duration kDay = absl::Hours(24);

std::string Message(const absl::Status& status) { return std::string(status.message()); }

class CertificateTest : public testing::Test {
 protected:
  CertificateTest() { EXPECT_TRUE(InitAuthority(ca_, "outpost", kDay * 30).ok()); }

  std::string Out(const std::string& name) const { return dir_.path() + "/" + name; }
  std::string IssueTo(const std::string& name, const std::string& out) {
    const auto issued =
        Issue(ca_, {.name = name, .hosts = {}, .valid = kDay * 9, .output = Out(out)});
    EXPECT_TRUE(issued.ok()) << issued.status();
    return *ReadFile(Out(out) + "/tls.crt");
  }

  store::ScratchDir dir_;
  const std::string ca_ = dir_.path() + "/ca";
};

TEST_F(CertificateTest, WhatIsIssuedIsForOneName) {
  const auto issued =
      Issue(ca_, {.name = "user/alice", .hosts = {}, .valid = kDay * 9, .output = Out("alice")});
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_EQ(issued->uri, "spiffe://outpost/user/alice");
  EXPECT_EQ(issued->serial.size(), 32);
  EXPECT_LT(issued->not_before, absl::Now());
  EXPECT_GT(issued->not_after, absl::Now() + absl::Hours(24 * 8));
  EXPECT_LT(issued->not_after, absl::Now() + absl::Hours(24 * 9 + 1));
  const auto checked = CheckTlsDirectory(Out("alice"));
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->fingerprint, issued->fingerprint);
}

TEST_F(CertificateTest, NobodyElseCanReadTheFiles) {
  IssueTo("user/alice", "alice");
  for (const std::string& path : {ca_ + "/ca.key", Out("alice") + "/tls.key"}) {
    struct stat info;
    ASSERT_EQ(stat(path.c_str(), &info), 0) << path;
    EXPECT_EQ(info.st_mode & 0777, 0600U) << path;
  }
  struct stat info;
  ASSERT_EQ(stat(ca_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
}

TEST_F(CertificateTest, RenewingKeepsKeyAndNames) {
  const auto old = Issue(
      ca_,
      {.name = "manager/x", .hosts = {"localhost", "::1"}, .valid = kDay * 2, .output = Out("x")});
  ASSERT_TRUE(old.ok()) << old.status();
  const std::string key = *ReadFile(Out("x") + "/tls.key");
  const auto renewed = Renew(ca_, Out("x"), kDay * 20);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_EQ(renewed->uri, old->uri);
  EXPECT_NE(renewed->serial, old->serial);
  EXPECT_GT(renewed->not_after, old->not_after);
  EXPECT_EQ(*ReadFile(Out("x") + "/tls.key"), key);
  EXPECT_TRUE(CheckTlsDirectory(Out("x")).ok());
  EXPECT_TRUE(Renew(ca_, Out("x"), kDay * 20).ok());  // its hosts were kept, or it could not be
}

// Whoever may write to somebody's directory can't have the authority sign what they like.
TEST_F(CertificateTest, WhatAnotherHasIssuedIsNotRenewed) {
  const std::string other = dir_.path() + "/other";
  ASSERT_TRUE(InitAuthority(other, "outpost", kDay * 30).ok());
  ASSERT_TRUE(
      Issue(other, {.name = "user/alice", .hosts = {}, .valid = kDay * 9, .output = Out("forged")})
          .ok());
  const auto refused = Renew(ca_, Out("forged"), kDay * 20);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_THAT(Message(refused.status()), HasSubstr("was not issued by the authority in " + ca_));
  EXPECT_EQ(ListIssued(ca_)->size(), 0);
  // The authority's own certificate with another key.
  std::filesystem::copy_file(other + "/ca.key", ca_ + "/ca.key",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(Message(ListIssued(ca_).status()), HasSubstr("ca.key is not the key of"));
}

TEST_F(CertificateTest, ACertificateIsRenewedForItsOwnKeyAlone) {
  IssueTo("user/alice", "alice");
  IssueTo("user/eve", "eve");
  std::filesystem::copy_file(Out("eve") + "/tls.key", Out("alice") + "/tls.key",
                             std::filesystem::copy_options::overwrite_existing);
  const auto refused = Renew(ca_, Out("alice"), kDay * 20);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(Message(refused.status()), HasSubstr("tls.key is not the key of"));
  EXPECT_EQ(ListIssued(ca_)->size(), 2);
}

TEST_F(CertificateTest, AKeyOfWhichACertificateWasRevokedIsNotRenewed) {
  const auto first =
      Issue(ca_, {.name = "user/alice", .hosts = {}, .valid = kDay * 9, .output = Out("alice")});
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(Renew(ca_, Out("alice"), kDay * 9).ok());
  IssueTo("user/bob", "bob");
  ASSERT_EQ(*Revoke(ca_, first->serial), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(Renew(ca_, Out("alice"), kDay * 9).status()));
  EXPECT_TRUE(Renew(ca_, Out("bob"), kDay * 9).ok());
  // What was revoked is not known: nothing is renewed.
  std::filesystem::remove(ca_ + "/revoked");
  std::filesystem::create_directory(ca_ + "/revoked");
  EXPECT_THAT(Message(Renew(ca_, Out("bob"), kDay * 9).status()), HasSubstr("/revoked"));
  EXPECT_THAT(Message(ListIssued(ca_).status()), HasSubstr("/revoked"));
}

TEST(NamesOfTest, AnAddressHas4Or16Bytes) {
  const CertificatePtr certificate(X509_new());
  const NamesPtr names(GENERAL_NAMES_new());
  for (const std::string& bytes :
       {std::string("\x0a\x01\x02\x03"), std::string("\x0a\x01\x02"), std::string(),
        std::string(5, 'x'), std::string(15, 'x'), std::string(15, '\0') + "\x01"}) {
    GENERAL_NAME* const name = GENERAL_NAME_new();
    ASN1_OCTET_STRING* const address = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(address, reinterpret_cast<const unsigned char*>(bytes.data()),
                          static_cast<int>(bytes.size()));
    GENERAL_NAME_set0_value(name, GEN_IPADD, address);
    sk_GENERAL_NAME_push(names.get(), name);
  }
  ASSERT_EQ(X509_add1_ext_i2d(certificate.get(), NID_subject_alt_name, names.get(), 0, 0), 1);
  EXPECT_THAT(NamesOf(certificate.get(), /*uris=*/false), testing::ElementsAre("10.1.2.3", "::1"));
}

TEST_F(CertificateTest, WhatCantBeIssued) {
  const auto refusal = [&](IssueRequest request) {
    request.output = Out("y");
    return Message(Issue(ca_, request).status());
  };
  EXPECT_THAT(refusal({.name = "alice", .hosts = {}, .output = ""}), HasSubstr("user/NAME"));
  EXPECT_THAT(refusal({.name = "user/../x", .hosts = {}, .output = ""}), HasSubstr("user/NAME"));
  EXPECT_THAT(refusal({.name = "user/a,DNS:b", .hosts = {}, .output = ""}), HasSubstr("user/NAME"));
  EXPECT_THAT(refusal({.name = "manager/x", .hosts = {}, .output = ""}), HasSubstr("--host"));
  EXPECT_THAT(refusal({.name = "user/a", .hosts = {"h"}, .output = ""}), HasSubstr("managers"));
  EXPECT_THAT(refusal({.name = "manager/x", .hosts = {"a,URI:b"}, .output = ""}),
              HasSubstr("no host name"));
  EXPECT_THAT(refusal({.name = "user/a", .hosts = {}, .valid = kDay * 0, .output = ""}),
              HasSubstr("--valid"));
  IssueTo("user/alice", "alice");
  const auto again =
      Issue(ca_, {.name = "user/alice", .hosts = {}, .valid = kDay * 9, .output = Out("alice")});
  EXPECT_TRUE(absl::IsAlreadyExists(again.status()));
  EXPECT_THAT(Message(again.status()), HasSubstr("cert renew"));
  EXPECT_TRUE(absl::IsAlreadyExists(InitAuthority(ca_, "outpost", kDay * 30)));
  EXPECT_THAT(
      Message(Issue(Out("none"), {.name = "user/a", .hosts = {}, .output = Out("z")}).status()),
      HasSubstr("outpost cert init"));
}

TEST_F(CertificateTest, FilesThatDoNotFit) {
  IssueTo("user/alice", "alice");
  IssueTo("user/bob", "bob");
  std::filesystem::copy_file(Out("bob") + "/tls.key", Out("alice") + "/tls.key",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(Message(CheckTlsDirectory(Out("alice")).status()), HasSubstr("is not the key of"));
  ASSERT_TRUE(WritePrivateFile(Out("bob") + "/tls.crt", "no certificate").ok());
  EXPECT_THAT(Message(CheckTlsDirectory(Out("bob")).status()), HasSubstr("tls.crt holds no"));
  EXPECT_TRUE(absl::IsNotFound(CheckTlsDirectory(Out("carol")).status()));
}

TEST_F(CertificateTest, WhoIsRevokedIsNobody) {
  const std::string alice = IssueTo("user/alice", "alice");
  const std::string hello = IssueTo("module/hello", "hello");
  CertificatePeers peers("outpost", ca_ + "/revoked");
  EXPECT_EQ(peers.PeerOf(alice)->name, "user/alice");
  EXPECT_TRUE(peers.PeerOf(alice)->problem.ok());
  EXPECT_EQ(peers.PeerOf(hello)->module, "hello");
  const auto count = Revoke(ca_, "user/alice");
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(*count, 1);
  absl::SleepFor(CertificatePeers::kLookAgain);  // the file is looked at by the clock
  EXPECT_THAT(Message(peers.PeerOf(alice)->problem), HasSubstr("user/alice"));
  EXPECT_THAT(Message(peers.PeerOf(alice)->problem), HasSubstr("was revoked"));
  EXPECT_TRUE(peers.PeerOf(hello)->problem.ok());
  EXPECT_TRUE(absl::IsNotFound(Revoke(ca_, "user/alice").status()));
  const auto issued = ListIssued(ca_);
  ASSERT_TRUE(issued.ok()) << issued.status();
  ASSERT_EQ(issued->size(), 2);
  for (const auto& one : *issued) {
    EXPECT_EQ(one.revoked, one.certificate.uri == "spiffe://outpost/user/alice");
  }
  // Its key is not to be trusted any more; a new one of the same name counts.
  const auto renewed = Renew(ca_, Out("alice"), kDay * 5);
  EXPECT_TRUE(absl::IsFailedPrecondition(renewed.status()));
  EXPECT_THAT(Message(renewed.status()), HasSubstr("outpost cert issue"));
  EXPECT_TRUE(peers.PeerOf(IssueTo("user/alice", "anew"))->problem.ok());
  EXPECT_TRUE(peers.IsRevoked(*peers.PeerOf(alice)));
  EXPECT_FALSE(peers.IsRevoked(*peers.PeerOf(hello)));
}

TEST_F(CertificateTest, NamesOfOthers) {
  const std::string manager = *ReadFile([&] {
    EXPECT_TRUE(
        Issue(ca_, {.name = "manager/x", .hosts = {"h"}, .valid = kDay * 2, .output = Out("x")})
            .ok());
    return Out("x") + "/tls.crt";
  }());
  const std::string admin = IssueTo("user/admin", "admin");
  const std::string alice = IssueTo("user/alice", "alice");
  CertificatePeers peers("outpost", "/nonexistent");
  EXPECT_THAT(Message(peers.PeerOf(manager)->problem), HasSubstr("manager/x is nobody"));
  EXPECT_THAT(Message(peers.PeerOf(admin)->problem), HasSubstr("user/admin is nobody"));
  EXPECT_THAT(Message(CertificatePeers("other", "").PeerOf(alice)->problem),
              HasSubstr("does not begin with spiffe://other/"));
  EXPECT_THAT(Message(peers.PeerOf(*ReadFile(ca_ + "/ca.crt"))->problem),
              HasSubstr("does not begin with"));
  EXPECT_FALSE(peers.PeerOf("no PEM")->problem.ok());
}

}  // namespace
}  // namespace outpost::auth
