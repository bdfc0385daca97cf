#include "server/auth/x509.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "server/auth/private_file.h"

namespace outpost::auth {
namespace {

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);  // NOLINT(google-runtime-int): OpenSSL's
  return std::string(data, static_cast<size_t>(size));
}

KeyPtr ParseKey(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const auto no_password = [](char*, int, int, void*) { return 0; };
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return key;
}

absl::Time TimeOf(const ASN1_TIME* time) {
  tm fields = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &fields) != 1) return absl::InfinitePast();
  return absl::FromTimeT(timegm(&fields));
}

}  // namespace

CertificatePtr ParsePem(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

std::string PemOf(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return TextOf(bio.get());
}

std::string PemOf(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return TextOf(bio.get());
}

std::vector<std::string> NamesOf(const X509* certificate, bool uris) {
  std::vector<std::string> result;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (names == nullptr) return result;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    const ASN1_STRING* text = nullptr;
    if (uris && name->type == GEN_URI) text = name->d.uniformResourceIdentifier;
    if (!uris && name->type == GEN_DNS) text = name->d.dNSName;
    if (text != nullptr) {
      result.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                          static_cast<size_t>(ASN1_STRING_length(text)));
    }
    if (!uris && name->type == GEN_IPADD) {
      std::array<char, INET6_ADDRSTRLEN> shown = {};
      const ASN1_STRING* const bytes = name->d.iPAddress;
      const auto size = static_cast<size_t>(ASN1_STRING_length(bytes));
      if (size != sizeof(in_addr) && size != sizeof(in6_addr)) continue;  // it is no address
      inet_ntop(size == sizeof(in_addr) ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes),
                shown.data(), shown.size());
      result.emplace_back(shown.data());
    }
  }
  return result;
}

Certificate Describe(const X509* certificate) {
  Certificate result;
  const std::vector<std::string> uris = NamesOf(certificate, /*uris=*/true);
  if (uris.size() == 1) result.uri = uris[0];
  const NumberPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  char* const digits = BN_bn2hex(number.get());
  result.serial = absl::AsciiStrToLower(digits);
  OPENSSL_free(digits);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &size);
  result.fingerprint =
      absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
  result.not_before = TimeOf(X509_get0_notBefore(certificate));
  result.not_after = TimeOf(X509_get0_notAfter(certificate));
  return result;
}

absl::StatusOr<CertificatePtr> ReadCertificateFile(const std::string& path) {
  const absl::StatusOr<std::string> pem = ReadFile(path);
  if (!pem.ok()) return pem.status();
  CertificatePtr certificate = ParsePem(*pem);
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(path, " holds no certificate in PEM form"));
  }
  return certificate;
}

absl::StatusOr<KeyPtr> ReadKeyFile(const std::string& path) {
  const absl::StatusOr<std::string> pem = ReadFile(path);
  if (!pem.ok()) return pem.status();
  KeyPtr key = ParseKey(*pem);
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " holds no private key in PEM form, or one with a password"));
  }
  return key;
}

bool IsPlainName(absl::string_view name) {
  return !name.empty() && name.size() <= 64 && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  absl::StrContains("_-.@", absl::string_view(&c, 1));
         });
}

absl::Status CheckCertificateName(const std::string& name) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(name, absl::MaxSplits('/', 1));
  if ((parts.first == "user" || parts.first == "module" || parts.first == "manager") &&
      IsPlainName(parts.second)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name,
                   "\" is not user/NAME, module/NAME or manager/ID, of letters, "
                   "digits, '_', '-', '.' and '@'"));
}

}  // namespace outpost::auth
