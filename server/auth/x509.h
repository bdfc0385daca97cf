// OpenSSL's certificates and keys, as objects that free themselves, and their files.
//
// **Thread safety.** Functions of their arguments and of the files.
#ifndef OUTPOST_SERVER_AUTH_X509_H_
#define OUTPOST_SERVER_AUTH_X509_H_

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/auth/certificate.h"

namespace outpost::auth {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, Deleter<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Deleter<BN_free>>;

// The first certificate in `pem`; null: there is none.
CertificatePtr ParsePem(const std::string& pem);
std::string PemOf(X509* certificate);
std::string PemOf(EVP_PKEY* key);

// The names of a certificate of one kind: URIs, or hosts and addresses.
std::vector<std::string> NamesOf(const X509* certificate, bool uris);
Certificate Describe(const X509* certificate);

// Errors name the file, and say what is wrong with it.
absl::StatusOr<CertificatePtr> ReadCertificateFile(const std::string& path);
absl::StatusOr<KeyPtr> ReadKeyFile(const std::string& path);

// Whether it may be a part of a name in a URI, and of a file's: nothing in it has a meaning to
// either.
bool IsPlainName(absl::string_view name);
// INVALID_ARGUMENT, unless it is user/NAME, module/NAME or manager/ID.
absl::Status CheckCertificateName(const std::string& name);

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_X509_H_
