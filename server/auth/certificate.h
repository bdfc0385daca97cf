// Certificates, as far as Outpost reads them. One is for one name, as a URI:
// spiffe://<trust domain>/user/<name>, …/module/<name>, or …/manager/<id>, which alone may
// serve.
//
// **Thread safety.** Functions of their arguments and of the files.
#ifndef OUTPOST_SERVER_AUTH_CERTIFICATE_H_
#define OUTPOST_SERVER_AUTH_CERTIFICATE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace outpost::auth {

struct Certificate {
  std::string uri;          // the only URI among its names; empty: it has none, or several
  std::string serial;       // hexadecimal
  std::string fingerprint;  // SHA-256 of it all, hexadecimal
  absl::Time not_before;
  absl::Time not_after;
};

// The first certificate in `pem`. INVALID_ARGUMENT: it holds none.
absl::StatusOr<Certificate> ReadCertificate(const std::string& pem);

// "user/alice" of "spiffe://<trust_domain>/user/alice". INVALID_ARGUMENT says what is wrong
// with it.
absl::StatusOr<std::string> NameInUri(absl::string_view uri, absl::string_view trust_domain);

// Whether DIR/tls.crt, DIR/tls.key and DIR/ca.crt are there, belong together, and count now;
// the certificate. Errors name the file and what to do.
absl::StatusOr<Certificate> CheckTlsDirectory(const std::string& directory);

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_CERTIFICATE_H_
