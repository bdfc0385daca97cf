#include "server/rpc/server.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/open_streams.h"

namespace outpost::rpc {
namespace {

int Milliseconds(absl::Duration time) { return static_cast<int>(absl::ToInt64Milliseconds(time)); }

}  // namespace

absl::StatusOr<std::unique_ptr<grpc::Server>> StartServer(
    const ServerOptions& options, const std::vector<grpc::Service*>& services,
    std::vector<int>* bound_tcp) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::channelz::experimental::InitChannelzService();

  grpc::ServerBuilder builder;
  int socket_bound = 0;
  builder.AddListeningPort(absl::StrCat("unix:", options.socket), grpc::InsecureServerCredentials(),
                           &socket_bound);
  bound_tcp->assign(options.plaintext_tcp.size(), 0);
  for (size_t i = 0; i < options.plaintext_tcp.size(); ++i) {
    builder.AddListeningPort(options.plaintext_tcp[i], grpc::InsecureServerCredentials(),
                             &(*bound_tcp)[i]);
  }
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 1);
  // Else a second manager on the same port would share its connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Modules ping an idle connection to notice that the manager is gone.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Who is gone without a word is noticed, though nothing is said to him; also again and again.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.dead_peer * 0.75));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.dead_peer * 0.25));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Milliseconds(options.dead_peer));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_calls_per_connection);
  if (options.streams != nullptr) {
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> all;
    all.push_back(options.streams->Interceptor());
    builder.experimental().SetInterceptorCreators(std::move(all));
  }
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || socket_bound == 0) {
    for (size_t i = 0; i < options.plaintext_tcp.size(); ++i) {
      if ((*bound_tcp)[i] != 0) continue;
      return absl::UnavailableError(
          absl::StrCat("can't listen on ", options.plaintext_tcp[i],
                       ": is it HOST:PORT, is the host this machine's, is the port free?"));
    }
    return absl::UnavailableError(absl::StrCat("can't listen on unix:", options.socket));
  }
  if (chmod(options.socket.c_str(), 0600) != 0) {
    return absl::UnavailableError(absl::StrCat(options.socket, ": ", strerrordesc_np(errno)));
  }
  return server;
}

}  // namespace outpost::rpc
