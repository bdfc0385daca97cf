#include "server/auth/certificate_authority.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/auth/private_file.h"
#include "server/auth/revoked_list.h"
#include "server/auth/x509.h"

namespace outpost::auth {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kClockSkew = absl::Minutes(5);
constexpr absl::Duration kLongest = absl::Hours(24 * 36500);

absl::Status OpenSslError(absl::string_view what) {
  std::array<char, 256> words = {};
  ERR_error_string_n(ERR_get_error(), words.data(), words.size());
  ERR_clear_error();
  return absl::InternalError(absl::StrCat(what, ": ", words.data()));
}

// Whether DIR/NAME.key is the key of DIR/NAME.crt.
absl::Status CheckKey(const X509* certificate, const EVP_PKEY* key, absl::string_view directory,
                      absl::string_view name) {
  if (X509_check_private_key(certificate, key) == 1) return absl::OkStatus();
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat(directory, "/", name, ".key is not the key of ", directory, "/", name, ".crt"));
}

struct Authority {
  std::string directory;
  CertificatePtr certificate;
  KeyPtr key;
  std::string trust_domain;
};

absl::StatusOr<Authority> OpenAuthority(const std::string& directory) {
  auto certificate = ReadCertificateFile(directory + "/ca.crt");
  if (absl::IsNotFound(certificate.status())) {
    return absl::NotFoundError(absl::StrCat("there is no certificate authority in ", directory,
                                            "; `outpost cert init --ca ", directory,
                                            "` makes one"));
  }
  if (!certificate.ok()) return certificate.status();
  auto key = ReadKeyFile(directory + "/ca.key");
  if (!key.ok()) return key.status();
  if (absl::Status fits = CheckKey(certificate->get(), key->get(), directory, "ca"); !fits.ok()) {
    return fits;
  }
  Authority authority;
  authority.directory = directory;
  const std::string uri = Describe(certificate->get()).uri;
  absl::string_view rest = uri;
  absl::ConsumePrefix(&rest, "spiffe://");
  authority.trust_domain = std::string(absl::StripSuffix(rest, "/"));
  authority.certificate = *std::move(certificate);
  authority.key = *std::move(key);
  return authority;
}

// What a certificate is to say.
struct Content {
  std::string common_name;
  std::vector<std::pair<int, std::string>> extensions;  // by NID, as openssl.cnf has them
  absl::Duration valid;
};

absl::StatusOr<CertificatePtr> Sign(const Content& content, EVP_PKEY* subject_key,
                                    const Authority* issuer, EVP_PKEY* issuer_key) {
  CertificatePtr certificate(X509_new());
  X509* const c = certificate.get();
  std::array<unsigned char, 16> serial;
  if (RAND_bytes(serial.data(), serial.size()) != 1) return OpenSslError("random numbers");
  serial[0] = static_cast<unsigned char>((serial[0] & 0x3fU) | 0x40U);  // positive, of 16 bytes
  const NumberPtr number(BN_bin2bn(serial.data(), serial.size(), nullptr));
  X509_set_version(c, X509_VERSION_3);
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(c));
  X509_gmtime_adj(X509_getm_notBefore(c), -absl::ToInt64Seconds(kClockSkew));
  const int64_t days = content.valid / absl::Hours(24);
  X509_time_adj_ex(X509_getm_notAfter(c), static_cast<int>(days),
                   absl::ToInt64Seconds(content.valid - days * absl::Hours(24)), nullptr);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(content.common_name.data()),
                             static_cast<int>(content.common_name.size()), -1, 0);
  X509_set_issuer_name(c, issuer == nullptr ? X509_get_subject_name(c)
                                            : X509_get_subject_name(issuer->certificate.get()));
  X509_set_pubkey(c, subject_key);
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer == nullptr ? c : issuer->certificate.get(), c, nullptr, nullptr,
                 0);
  for (const auto& [nid, value] : content.extensions) {
    const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    if (extension == nullptr) return OpenSslError(value);
    X509_add_ext(c, extension.get(), -1);
  }
  if (X509_sign(c, issuer_key, EVP_sha256()) == 0) return OpenSslError("signing");
  return certificate;
}

absl::Status CheckValid(absl::Duration valid) {
  if (valid >= absl::Seconds(1) && valid <= kLongest) return absl::OkStatus();
  return absl::InvalidArgumentError("--valid is not between 1s and 36500d");
}

bool IsAddress(const std::string& host) {
  std::array<unsigned char, 16> bytes;
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

absl::StatusOr<CertificatePtr> SignFor(const Authority& authority, const std::string& name,
                                       const std::vector<std::string>& hosts, absl::Duration valid,
                                       EVP_PKEY* key) {
  std::vector<std::string> names = {
      absl::StrCat("URI:spiffe://", authority.trust_domain, "/", name)};
  for (const std::string& host : hosts) {
    if (host.empty() || host.find_first_of(",: ") != std::string::npos) {
      if (!IsAddress(host)) {
        return absl::InvalidArgumentError(
            absl::StrCat("--host \"", host, "\" is no host name and no address"));
      }
    }
    names.push_back(absl::StrCat(IsAddress(host) ? "IP:" : "DNS:", host));
  }
  const bool serves = absl::StartsWith(name, "manager/");
  Content content;
  content.common_name = name;
  content.valid = valid;
  content.extensions = {{NID_basic_constraints, "critical,CA:FALSE"},
                        {NID_key_usage, "critical,digitalSignature"},
                        {NID_ext_key_usage, serves ? "serverAuth,clientAuth" : "clientAuth"},
                        {NID_subject_key_identifier, "hash"},
                        {NID_authority_key_identifier, "keyid"},
                        {NID_subject_alt_name, absl::StrJoin(names, ",")}};
  return Sign(content, key, &authority, authority.key.get());
}

absl::Status Record(const Authority& authority, X509* certificate) {
  return WritePrivateFile(
      absl::StrCat(authority.directory, "/issued/", Describe(certificate).serial, ".crt"),
      PemOf(certificate));
}

std::string RevokedPath(const std::string& authority) { return authority + "/revoked"; }

// What was revoked; of an authority that has no list, nothing.
absl::StatusOr<RevokedList> ReadRevoked(const std::string& authority) {
  absl::StatusOr<RevokedList> list = ReadRevokedList(RevokedPath(authority));
  if (absl::IsNotFound(list.status())) return RevokedList();
  return list;
}

// All that the authority has issued.
absl::StatusOr<std::vector<CertificatePtr>> ReadIssued(const std::string& authority) {
  std::vector<CertificatePtr> result;
  std::error_code error;
  for (fs::directory_iterator entry(authority + "/issued", error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".crt") continue;  // one that is being written
    auto certificate = ReadCertificateFile(entry->path().string());
    if (!certificate.ok()) return certificate.status();
    result.push_back(*std::move(certificate));
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("what the authority has issued, ", authority, "/issued: ", error.message()));
  }
  return result;
}

// Whether a certificate for `key` may be followed by another: none for it was revoked.
absl::Status CheckRenewable(const std::string& authority, X509* certificate, EVP_PKEY* key,
                            const std::string& output) {
  const auto revoked = ReadRevoked(authority);
  if (!revoked.ok()) return revoked.status();
  if (!revoked->problem.ok()) return revoked->problem;
  const auto issued = ReadIssued(authority);
  if (!issued.ok()) return issued.status();
  const auto is_revoked = [&](const X509* one) {
    return revoked->fingerprints.contains(Describe(one).fingerprint);
  };
  const bool any =
      is_revoked(certificate) ||
      std::any_of(issued->begin(), issued->end(), [&](const CertificatePtr& one) {
        return is_revoked(one.get()) && EVP_PKEY_eq(X509_get0_pubkey(one.get()), key) == 1;
      });
  if (!any) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(output,
                   "/tls.crt, or another certificate for the same key, was revoked, and the key is "
                   "not to be trusted; `outpost cert issue` makes both anew, in another directory "
                   "(--out)"));
}

}  // namespace

absl::Status InitAuthority(const std::string& directory, const std::string& trust_domain,
                           absl::Duration valid) {
  absl::Status status = CheckValid(valid);
  if (!IsPlainName(trust_domain)) {
    status = absl::InvalidArgumentError(absl::StrCat(
        "--trust-domain \"", trust_domain, "\" is no name such as outpost or example.org"));
  }
  std::error_code error;
  if (fs::exists(directory + "/ca.key", error)) {
    status = absl::AlreadyExistsError(
        absl::StrCat("there is a certificate authority in ", directory, " already"));
  }
  status.Update(MakePrivateDirectory(directory));
  status.Update(MakePrivateDirectory(directory + "/issued"));
  if (!status.ok()) return status;
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslError("making a key");
  Content content;
  content.common_name = absl::StrCat("Outpost CA of ", trust_domain);
  content.valid = valid;
  content.extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                        {NID_key_usage, "critical,keyCertSign,cRLSign"},
                        {NID_subject_key_identifier, "hash"},
                        {NID_subject_alt_name, absl::StrCat("URI:spiffe://", trust_domain)}};
  const auto certificate = Sign(content, key.get(), nullptr, key.get());
  if (!certificate.ok()) return certificate.status();
  status = WritePrivateFile(directory + "/ca.key", PemOf(key.get()));
  status.Update(WritePrivateFile(directory + "/ca.crt", PemOf(certificate->get())));
  status.Update(WritePrivateFile(RevokedPath(directory), ""));
  return status;
}

absl::StatusOr<Certificate> Issue(const std::string& directory, const IssueRequest& request) {
  absl::Status status = CheckCertificateName(request.name);
  status.Update(CheckValid(request.valid));
  if (status.ok() && absl::StartsWith(request.name, "manager/") == request.hosts.empty()) {
    status = absl::InvalidArgumentError(
        request.hosts.empty()
            ? "a manager is known by the hosts at which it is reached: add --host NAME-OR-ADDRESS"
            : "--host is for managers alone");
  }
  std::error_code error;
  if (fs::exists(request.output + "/tls.crt", error)) {
    status.Update(absl::AlreadyExistsError(
        absl::StrCat(request.output, "/tls.crt is there already; `outpost cert renew ",
                     request.output, "` renews it, and --out names another directory")));
  }
  if (!status.ok()) return status;
  const auto authority = OpenAuthority(directory);
  if (!authority.ok()) return authority.status();
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslError("making a key");
  const auto certificate =
      SignFor(*authority, request.name, request.hosts, request.valid, key.get());
  if (!certificate.ok()) return certificate.status();
  status = MakePrivateDirectory(request.output);
  status.Update(Record(*authority, certificate->get()));
  status.Update(WritePrivateFile(request.output + "/tls.key", PemOf(key.get())));
  status.Update(WritePrivateFile(request.output + "/ca.crt", PemOf(authority->certificate.get())));
  status.Update(WritePrivateFile(request.output + "/tls.crt", PemOf(certificate->get())));
  if (!status.ok()) return status;
  return Describe(certificate->get());
}

absl::StatusOr<Certificate> Renew(const std::string& directory, const std::string& output,
                                  absl::Duration valid) {
  if (auto status = CheckValid(valid); !status.ok()) return status;
  const auto authority = OpenAuthority(directory);
  if (!authority.ok()) return authority.status();
  const auto old = ReadCertificateFile(output + "/tls.crt");
  if (!old.ok()) return old.status();
  const auto key = ReadKeyFile(output + "/tls.key");
  if (!key.ok()) return key.status();
  absl::Status status = CheckKey(old->get(), key->get(), output, "tls");
  if (!status.ok()) return status;
  // The names in it are taken over: they are to be those that this authority has given.
  if (X509_verify(old->get(), X509_get0_pubkey(authority->certificate.get())) != 1) {
    ERR_clear_error();
    return absl::FailedPreconditionError(absl::StrCat(
        output, "/tls.crt was not issued by the authority in ", directory,
        ", which can't renew it; name its own (--ca), or issue another (outpost cert issue)"));
  }
  status = CheckRenewable(directory, old->get(), key->get(), output);
  if (!status.ok()) return status;
  const auto name = NameInUri(Describe(old->get()).uri, authority->trust_domain);
  if (!name.ok()) return name.status();
  const auto certificate =
      SignFor(*authority, *name, NamesOf(old->get(), /*uris=*/false), valid, key->get());
  if (!certificate.ok()) return certificate.status();
  status = Record(*authority, certificate->get());
  status.Update(WritePrivateFile(output + "/ca.crt", PemOf(authority->certificate.get())));
  status.Update(WritePrivateFile(output + "/tls.crt", PemOf(certificate->get())));
  if (!status.ok()) return status;
  return Describe(certificate->get());
}

absl::StatusOr<std::vector<IssuedCertificate>> ListIssued(const std::string& directory) {
  const auto authority = OpenAuthority(directory);
  if (!authority.ok()) return authority.status();
  const auto revoked = ReadRevoked(directory);
  if (!revoked.ok()) return revoked.status();
  const auto all = ReadIssued(directory);
  if (!all.ok()) return all.status();
  std::vector<IssuedCertificate> result;
  for (const CertificatePtr& certificate : *all) {
    IssuedCertificate& issued = result.emplace_back();
    issued.certificate = Describe(certificate.get());
    issued.revoked = revoked->fingerprints.contains(issued.certificate.fingerprint);
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) {
    return std::pair(a.certificate.not_after, a.certificate.serial) <
           std::pair(b.certificate.not_after, b.certificate.serial);
  });
  return result;
}

absl::StatusOr<int> Revoke(const std::string& directory, const std::string& what) {
  const auto issued = ListIssued(directory);
  if (!issued.ok()) return issued.status();
  std::string lines;
  int count = 0;
  for (const IssuedCertificate& one : *issued) {
    const bool meant = one.certificate.serial == absl::AsciiStrToLower(what) ||
                       absl::EndsWith(one.certificate.uri, absl::StrCat("/", what));
    if (!meant || one.revoked || one.certificate.not_after < absl::Now()) continue;
    absl::StrAppend(&lines, one.certificate.fingerprint, " ", one.certificate.uri, "\n");
    ++count;
  }
  if (count == 0) {
    return absl::NotFoundError(absl::StrCat(
        "no certificate of \"", what, "\" counts any more, or ever did; see `outpost cert ls`"));
  }
  const absl::StatusOr<std::string> before = ReadFile(RevokedPath(directory), kMaxRevokedList);
  if (!before.ok() && !absl::IsNotFound(before.status())) return before.status();
  std::string list = before.ok() ? *before : "";
  if (!list.empty() && list.back() != '\n') list += '\n';
  list += lines;
  if (list.size() > kMaxRevokedList) {
    return absl::ResourceExhaustedError(absl::StrCat(RevokedPath(directory),
                                                     " would have more than ", kMaxRevokedList,
                                                     " bytes; take out of it what has expired"));
  }
  const absl::Status written = WritePrivateFile(RevokedPath(directory), list);
  if (!written.ok()) return written;
  return count;
}

}  // namespace outpost::auth
