// The channel of a module's session and calls.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CHANNEL_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

namespace outpost::internal {

// `address`: a gRPC target, or tls:host:port (channel_credentials.h). Connects by itself, again
// and again.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CHANNEL_H_
