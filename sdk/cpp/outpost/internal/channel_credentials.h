// How an address is spoken to: unix:/path and host:port in plain text, tls:host:port by
// mutual TLS, with the files of a directory.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CHANNEL_CREDENTIALS_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CHANNEL_CREDENTIALS_H_

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

namespace outpost::internal {

// Where tls.crt, tls.key and ca.crt are: $OUTPOST_TLS_DIR, or ~/.config/outpost/tls.
std::string TlsDirectory();

struct ChannelTarget {
  std::string target;  // for gRPC
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  std::string problem;  // not empty: a file for TLS that can't be read, and what to do
};

// For tls: the files are read again when they change, so that a renewed certificate counts
// from the next connection on; with a problem, connections are made when it is gone.
ChannelTarget TargetOf(const std::string& address);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CHANNEL_CREDENTIALS_H_
