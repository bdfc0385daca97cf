// A certificate authority of Outpost's own, for who has none: a directory of files.
//
//     DIR/ca.crt, DIR/ca.key   the authority itself; its key never leaves the directory
//     DIR/issued/SERIAL.crt    every certificate that it has issued
//     DIR/revoked              the revoked ones: a line each, SHA-256 first
//
// Files of keys have mode 0600. See certificate.h for what a certificate says.
//
// **Thread safety.** Functions of their arguments and of the files. Two at once on the same
// files may lose what one of them did.
#ifndef OUTPOST_SERVER_AUTH_CERTIFICATE_AUTHORITY_H_
#define OUTPOST_SERVER_AUTH_CERTIFICATE_AUTHORITY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/auth/certificate.h"

namespace outpost::auth {

// Makes the authority. ALREADY_EXISTS: there is one.
absl::Status InitAuthority(const std::string& directory, const std::string& trust_domain,
                           absl::Duration valid);

struct IssueRequest {
  std::string name;                // "user/alice", "module/hello", "manager/x"
  std::vector<std::string> hosts;  // of a manager: names and addresses that it is reached by
  absl::Duration valid = absl::Hours(24 * 90);
  std::string output;  // the directory for tls.crt, tls.key, ca.crt
};

// Makes a key and a certificate. ALREADY_EXISTS: `output` has one (renew it).
absl::StatusOr<Certificate> Issue(const std::string& authority, const IssueRequest& request);

// Replaces DIR/tls.crt with one for the same key and the same names; so files that are read
// while that happens fit each other. INVALID_ARGUMENT: the key is not the certificate's.
// FAILED_PRECONDITION: another authority has issued it; or it was revoked, or another certificate
// for the same key, which is nobody's to trust then.
absl::StatusOr<Certificate> Renew(const std::string& authority, const std::string& directory,
                                  absl::Duration valid);

struct IssuedCertificate {
  Certificate certificate;
  bool revoked = false;
};

// What the authority has issued, the newest last.
absl::StatusOr<std::vector<IssuedCertificate>> ListIssued(const std::string& authority);

// Revokes those of a name ("user/alice") or a serial number; returns how many. NOT_FOUND:
// there is none that counts.
absl::StatusOr<int> Revoke(const std::string& authority, const std::string& what);

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_CERTIFICATE_AUTHORITY_H_
