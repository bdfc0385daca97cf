#include "server/auth/certificate.h"

#include <openssl/err.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/auth/x509.h"

namespace outpost::auth {

absl::StatusOr<Certificate> ReadCertificate(const std::string& pem) {
  const CertificatePtr certificate = ParsePem(pem);
  if (certificate == nullptr) return absl::InvalidArgumentError("this is no certificate");
  return Describe(certificate.get());
}

absl::StatusOr<std::string> NameInUri(absl::string_view uri, absl::string_view trust_domain) {
  absl::string_view name = uri;
  const std::string expected = absl::StrCat("spiffe://", trust_domain, "/");
  if (uri.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the certificate has no name that is a URI, or several; it needs one, ",
                     expected, "user/NAME or ", expected, "module/NAME"));
  }
  if (!absl::ConsumePrefix(&name, expected)) {
    return absl::InvalidArgumentError(absl::StrCat("the certificate is for ", uri,
                                                   ", which does not begin with ", expected,
                                                   " (the manager's --trust-domain)"));
  }
  if (auto status = CheckCertificateName(std::string(name)); !status.ok()) return status;
  return std::string(name);
}

absl::StatusOr<Certificate> CheckTlsDirectory(const std::string& directory) {
  const auto certificate = ReadCertificateFile(directory + "/tls.crt");
  if (!certificate.ok()) return certificate.status();
  const auto key = ReadKeyFile(directory + "/tls.key");
  if (!key.ok()) return key.status();
  const auto authority = ReadCertificateFile(directory + "/ca.crt");
  if (!authority.ok()) return authority.status();
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat(directory, "/tls.key is not the key of ", directory, "/tls.crt"));
  }
  Certificate result = Describe(certificate->get());
  if (result.not_after < absl::Now()) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, "/tls.crt has expired at ", absl::FormatTime(result.not_after),
                     "; `outpost cert renew ", directory, "` renews it"));
  }
  return result;
}

}  // namespace outpost::auth
