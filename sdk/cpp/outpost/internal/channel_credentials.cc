#include "outpost/internal/channel_credentials.h"

#include <errno.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <string.h>
#include <unistd.h>

#include <cstdlib>

namespace outpost::internal {
namespace {

constexpr char kScheme[] = "tls:";
constexpr unsigned kLookAgain = 1;  // seconds

}  // namespace

std::string TlsDirectory() {
  if (const char* directory = std::getenv("OUTPOST_TLS_DIR")) return directory;
  const char* const home = std::getenv("HOME");
  return std::string(home == nullptr ? "" : home) + "/.config/outpost/tls";
}

ChannelTarget TargetOf(const std::string& address) {
  if (address.rfind(kScheme, 0) != 0) return {address, grpc::InsecureChannelCredentials(), ""};
  const std::string directory = TlsDirectory();
  ChannelTarget result;
  result.target = address.substr(sizeof kScheme - 1);
  for (const char* file : {"/tls.crt", "/tls.key", "/ca.crt"}) {
    if (access((directory + file).c_str(), R_OK) == 0) continue;
    result.problem = directory + file + ": " + strerror(errno) +
                     "; OUTPOST_TLS_DIR names the directory of tls.crt, tls.key and ca.crt, which "
                     "`outpost cert issue` makes";
  }
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          directory + "/tls.key", directory + "/tls.crt", directory + "/ca.crt", kLookAgain));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  result.credentials = grpc::experimental::TlsCredentials(options);
  return result;
}

}  // namespace outpost::internal
