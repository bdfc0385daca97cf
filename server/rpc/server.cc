#include "server/rpc/server.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/auth/certificate.h"
#include "server/rpc/audited_calls.h"
#include "server/rpc/open_streams.h"

namespace outpost::rpc {
namespace {

int Milliseconds(absl::Duration time) { return static_cast<int>(absl::ToInt64Milliseconds(time)); }

// How long an answer to a ping may take.
absl::Duration KeepaliveTimeout(const ServerOptions& options) { return options.dead_peer * 0.25; }

std::shared_ptr<const auth::Peer> PlaintextPeer() {
  auth::Peer peer;
  peer.name = auth::kPlaintextTcp;
  peer.proof = "a plaintext connection";
  return std::make_shared<const auth::Peer>(std::move(peer));
}

// Mutual TLS: whoever has no certificate of the authority does not get past the handshake.
// The files are read again when they change.
std::shared_ptr<grpc::ServerCredentials> TlsCredentials(const std::string& directory) {
  constexpr unsigned kLookAgain = 1;  // seconds
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          directory + "/tls.key", directory + "/tls.crt", directory + "/ca.crt", kLookAgain));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

// "10.1.2.3" of "ipv4:10.1.2.3:4711", "fe80::1" of "ipv6:[fe80::1%25eth0]:4711".
std::string HostOf(absl::string_view peer) {
  const bool is_v6 = absl::ConsumePrefix(&peer, "ipv6:");
  if (!is_v6) absl::ConsumePrefix(&peer, "ipv4:");
  std::string host = absl::StrReplaceAll(peer.substr(0, peer.rfind(':')),
                                         {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}});
  if (const size_t scope = host.find('%'); scope != std::string::npos) host.resize(scope);
  return host;
}

}  // namespace

Server::Server(ServerOptions options, Parts parts)
    : options_(std::move(options)),
      plaintext_peer_(PlaintextPeer()),
      certificates_(std::make_unique<auth::CertificatePeers>(options_.tls.trust_domain,
                                                             options_.tls.revoked)),
      socket_(options_.socket),
      tls_(KeepaliveTimeout(options_)),
      gate_(
          {.supervisor = parts.supervisor,
           .entities = parts.entities,
           .audit = parts.audit,
           .origin =
               [this](const grpc::CallbackServerContext& context) { return OriginOf(context); },
           .is_revoked = [this](const auth::Peer& peer) { return certificates_->IsRevoked(peer); },
           .known =
               [this](const Caller& caller) {
                 if (!caller.address.empty()) tls_.Called(caller.from);
               }}) {}

Server::~Server() { Shutdown(absl::ZeroDuration()); }

Origin Server::OriginOf(const grpc::CallbackServerContext& context) const {
  std::string peer = context.peer();
  UnixListener::Connection local = socket_.PeerOf(peer);
  if (local.peer != nullptr) {
    std::string from = absl::StrCat(local.peer->proof, ", pid ", local.pid);
    return {.peer = std::move(local.peer), .address = "", .from = std::move(from)};
  }
  std::string address = HostOf(peer);
  const std::shared_ptr<const grpc::AuthContext> security = context.auth_context();
  if (security != nullptr && security->IsPeerAuthenticated()) {
    const std::vector<grpc::string_ref> pem =
        security->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
    return {.peer = certificates_->PeerOf(pem.empty()
                                              ? absl::string_view()
                                              : absl::string_view(pem[0].data(), pem[0].size())),
            .address = std::move(address),
            .from = std::move(peer)};
  }
  return {.peer = plaintext_peer_, .address = std::move(address), .from = std::move(peer)};
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, Parts parts,
                                                      const std::vector<Service>& services) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::channelz::experimental::InitChannelzService();

  auto server = std::unique_ptr<Server>(new Server(std::move(options), parts));
  const std::vector<std::string>& addresses = server->options_.plaintext_tcp;
  server->plaintext_ports_.assign(addresses.size(), 0);
  grpc::ServerBuilder builder;
  for (size_t i = 0; i < addresses.size(); ++i) {
    builder.AddListeningPort(addresses[i], grpc::InsecureServerCredentials(),
                             &server->plaintext_ports_[i]);
  }
  const TlsOptions& tls = server->options_.tls;
  TlsListener::Acceptor tls_acceptor;
  if (!tls.listen.empty()) {
    const absl::StatusOr<auth::Certificate> own = auth::CheckTlsDirectory(tls.directory);
    if (!own.ok()) return own.status();
    if (auto status = server->certificates_->ReadList(); !status.ok()) return status;
    for (const std::string& address : tls.listen) {
      if (auto status = server->tls_.Bind(address); !status.ok()) return status;
    }
    tls_acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        TlsCredentials(tls.directory));
  }
  builder.SetMaxReceiveMessageSize(server->options_.max_message_bytes);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 1);
  // Else a second manager on the same port would share its connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Modules ping an idle connection to notice that the manager is gone.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Who is gone without a word is noticed, though nothing is said to him; also again and again.
  builder.AddChannelArgument(
      GRPC_ARG_KEEPALIVE_TIME_MS,
      Milliseconds(server->options_.dead_peer - KeepaliveTimeout(server->options_)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(KeepaliveTimeout(server->options_)));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             Milliseconds(server->options_.dead_peer));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             server->options_.max_calls_per_connection);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<AuditedCalls>(parts.audit));
  if (server->options_.streams != nullptr) {
    interceptors.push_back(server->options_.streams->Interceptor());
  }
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  builder.SetContextAllocator(MakeContextAllocator());
  for (const auto& [name, service] : services) {
    auto gated = GatedService::Create(name, service, &server->gate_, &server->pace_);
    if (!gated.ok()) return gated.status();
    builder.RegisterService(gated->get());
    server->services_.push_back(*std::move(gated));
  }
  if (auto status = server->socket_.Bind(); !status.ok()) return status;
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    for (size_t i = 0; i < addresses.size(); ++i) {
      if (server->plaintext_ports_[i] != 0) continue;
      return absl::UnavailableError(
          absl::StrCat("can't listen on ", addresses[i],
                       ": is it HOST:PORT, is the host this machine's, is the port free?"));
    }
    return absl::UnavailableError("the gRPC server does not start; its own log says why");
  }
  if (tls_acceptor != nullptr) server->tls_.Start(std::move(tls_acceptor));
  return server;
}

void Server::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void Server::Shutdown(absl::Duration grace) {
  socket_.Stop();
  tls_.Stop();
  if (server_ == nullptr) return;
  pace_.Stop();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
}

}  // namespace outpost::rpc
