#include "server/rpc/gate.h"

#include <google/protobuf/descriptor.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/rpc/audited_calls.h"
#include "server/rpc/status.h"

namespace outpost::rpc {
namespace {

using grpc::internal::MethodHandler;
using grpc::internal::RpcMethod;
using grpc::internal::RpcServiceMethod;

constexpr char kSessionKey[] = "outpost-session";

std::string BytesOf(grpc_byte_buffer* buffer) {
  std::string bytes;
  grpc_byte_buffer_reader reader;
  if (buffer == nullptr || grpc_byte_buffer_reader_init(&reader, buffer) == 0) return bytes;
  grpc_slice slice;
  while (grpc_byte_buffer_reader_next(&reader, &slice) != 0) {
    bytes.append(reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)),
                 GRPC_SLICE_LENGTH(slice));
    grpc_slice_unref(slice);
  }
  grpc_byte_buffer_reader_destroy(&reader);
  return bytes;
}

// Ends a call of any kind with a status.
class RefusedUnary final : public grpc::ServerUnaryReactor {
 public:
  explicit RefusedUnary(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};
class RefusedWriter final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit RefusedWriter(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};
class RefusedReader final : public grpc::ServerReadReactor<grpc::ByteBuffer> {
 public:
  explicit RefusedReader(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};
class RefusedBidi final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit RefusedBidi(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

// A handler that refuses whatever comes.
std::unique_ptr<MethodHandler> RefusingHandler(RpcMethod::RpcType type,
                                               const grpc::Status& status) {
  using Bytes = grpc::ByteBuffer;
  using Context = grpc::CallbackServerContext;
  switch (type) {
    case RpcMethod::NORMAL_RPC:
      return std::make_unique<grpc::internal::CallbackUnaryHandler<Bytes, Bytes>>(
          [status](Context*, const Bytes*, Bytes*) { return new RefusedUnary(status); });
    case RpcMethod::SERVER_STREAMING:
      return std::make_unique<grpc::internal::CallbackServerStreamingHandler<Bytes, Bytes>>(
          [status](Context*, const Bytes*) { return new RefusedWriter(status); });
    case RpcMethod::CLIENT_STREAMING:
      return std::make_unique<grpc::internal::CallbackClientStreamingHandler<Bytes, Bytes>>(
          [status](Context*, Bytes*) { return new RefusedReader(status); });
    case RpcMethod::BIDI_STREAMING:
      break;
  }
  return std::make_unique<grpc::internal::CallbackBidiHandler<Bytes, Bytes>>(
      [status](Context*) { return new RefusedBidi(status); });
}

// The gate before one method. The request is parsed behind it only: what Deserialize
// hands on is still bytes.
class GatedHandler final : public MethodHandler {
 public:
  GatedHandler(const Gate* gate, CallPace* pace, const Right& right, RpcMethod::RpcType type,
               MethodHandler* inner)
      : gate_(gate), pace_(pace), right_(right), type_(type), inner_(inner) {}

  void* Deserialize(grpc_call*, grpc_byte_buffer* request, grpc::Status*, void**) override {
    return request;
  }

  void RunHandler(const HandlerParameter& param) override {
    auto* bytes = static_cast<grpc_byte_buffer*>(param.request);
    auto* context = static_cast<CallContext*>(param.server_context);
    const absl::Status admitted = gate_->Admit(
        right_, type_ != RpcMethod::NORMAL_RPC, [bytes] { return BytesOf(bytes); }, context);
    const Caller& caller = context->caller;
    // All that `param` points to is there until the call has ended, which it has not begun.
    context->pace = pace_;
    if (!admitted.ok()) {
      return RefuseInTurn(*context, [this, bytes, param, admitted] {
        const char* reason = absl::IsPermissionDenied(admitted) ? "NO_RIGHT" : "NOT_IDENTIFIED";
        // It has what the call needs in the call's own memory when RunHandler returns.
        const auto refusing = RefusingHandler(type_, ToGrpc(admitted, reason));
        Run(refusing.get(), bytes, param);
      });
    }
    if (caller.module.empty()) return Run(inner_, bytes, param);
    pace_->Run(caller.name, caller.calls_per_second,
               IsChange(right_) ? CallPace::kChange : CallPace::kRead,
               [this, bytes, param] { Run(inner_, bytes, param); });
  }

 private:
  void Run(MethodHandler* handler, grpc_byte_buffer* bytes, const HandlerParameter& param) const {
    grpc::Status status;
    void* data = nullptr;
    void* request = nullptr;
    if (type_ == RpcMethod::NORMAL_RPC || type_ == RpcMethod::SERVER_STREAMING) {
      request = handler->Deserialize(param.call->call(), bytes, &status, &data);
    }
    handler->RunHandler(HandlerParameter(param.call, param.server_context, request, status, data,
                                         param.call_requester));
  }

  const Gate* const gate_;
  CallPace* const pace_;
  const Right& right_;
  const RpcMethod::RpcType type_;
  MethodHandler* const inner_;
};

// A service's own handlers: what is protected in grpc::Service may be named through a
// class that derives from it.
struct Handlers : grpc::Service {
  static MethodHandler* Of(grpc::Service* service, int index) {
    return (service->*(&Handlers::GetHandler))(index);
  }
};

RpcMethod::RpcType TypeOf(const google::protobuf::MethodDescriptor& method) {
  if (method.client_streaming()) {
    return method.server_streaming() ? RpcMethod::BIDI_STREAMING : RpcMethod::CLIENT_STREAMING;
  }
  return method.server_streaming() ? RpcMethod::SERVER_STREAMING : RpcMethod::NORMAL_RPC;
}

absl::Status Expired(const auth::Peer& peer) {
  return absl::UnauthenticatedError(
      absl::StrCat("the certificate of ", peer.name,
                   " has expired since the connection was made; renew "
                   "it (outpost cert renew) and connect again"));
}

}  // namespace

absl::Status Gate::Identify(CallContext* context) const {
  Caller& caller = context->caller;
  Origin origin = parts_.origin(*context);
  caller.peer = std::move(origin.peer);
  caller.address = std::move(origin.address);
  caller.from = std::move(origin.from);
  const auth::Peer& peer = *caller.peer;
  if (!peer.problem.ok()) return peer.problem;
  if (peer.expires != absl::InfiniteFuture() && peer.expires < absl::Now()) return Expired(peer);
  const auto& metadata = context->client_metadata();
  const auto key = metadata.find(kSessionKey);
  if (key == metadata.end()) {
    caller.name = peer.name;
    caller.module = peer.module;
    if (!caller.module.empty()) caller.asked = parts_.supervisor->AskedCaps(caller.module);
  } else {
    const auto session =
        parts_.supervisor->FindByKey(absl::string_view(key->second.data(), key->second.size()));
    if (session == nullptr) {
      return absl::UnauthenticatedError(
          "the metadata entry outpost-session holds the key of no session; attach again");
    }
    if (session->proof() != peer.proof) {
      return absl::UnauthenticatedError(
          absl::StrCat("the metadata entry outpost-session holds the key of a session of ",
                       session->proof(), ", and this connection is of ", peer.proof));
    }
    caller.module = session->name();
    caller.name = absl::StrCat("module/", session->name());
    caller.asked = session->asked();
    caller.calls_per_second = static_cast<double>(session->rates().calls);
  }
  std::optional<auth::Caps> caps = parts_.entities->CapsOf(caller.name);
  if (!caps) {
    return absl::UnauthenticatedError(
        absl::StrCat(caller.name, " (", caller.from,
                     ") is not known here; an administrator adds them: outpost "
                     "auth add ",
                     caller.name, " mgr 'profile read-only'"));
  }
  caller.caps = *std::move(caps);
  if (parts_.known) parts_.known(caller);
  return absl::OkStatus();
}

absl::Status Gate::Admit(const Right& right, bool is_stream,
                         const std::function<std::string()>& request, CallContext* context) const {
  absl::Status admitted = Decide(right, is_stream, request, context);
  const Caller& caller = context->caller;
  // Of changes, those of users: a module's are its work.
  if (admitted.ok() && (!IsChange(right) || !caller.module.empty())) return admitted;
  auth::AuditRecord line = AuditLineOf(caller);
  line.method = std::string(right.method);
  // What somebody sends who is not known is not read at all.
  if (!absl::IsUnauthenticated(admitted) && IsChange(right)) {
    CallSubject subject = SubjectOfCall(right.method, request());
    line.arguments = std::move(subject.arguments);
    line.hides = subject.hides;
  }
  if (!admitted.ok()) {
    SetRefused(admitted, &line);
    parts_.audit->Write(line);
  } else if (is_stream) {
    parts_.audit->Write(line);  // that it began
  } else {
    context->audit = std::make_unique<auth::AuditRecord>(std::move(line));
  }
  return admitted;
}

absl::Status Gate::Decide(const Right& right, bool is_stream,
                          const std::function<std::string()>& request, CallContext* context) const {
  if (absl::Status status = Identify(context); !status.ok()) return status;
  const Caller& caller = context->caller;
  Subject subject;
  // Who may do all need not be asked what they want; of a stream it may matter later.
  if (right.of != nullptr && (is_stream || !caller.may_do_all())) subject = right.of(request());
  if (absl::Status status = MayCall(right, subject, caller); !status.ok()) return status;
  if (is_stream) {
    context->still = std::make_shared<const CallContext::Still>(
        [this, &right, subject = std::move(subject), caller] {
          return StillMay(right, subject, caller);
        });
  }
  return absl::OkStatus();
}

absl::Status Gate::MayCall(const Right& right, const Subject& subject, const Caller& caller) {
  if (right.kind != Right::Kind::kNeed || caller.may_do_all()) return absl::OkStatus();
  if (right.own_is_free && !caller.module.empty() &&
      (subject.module.empty() || subject.module == caller.module)) {
    return absl::OkStatus();
  }
  const auth::Need need = {
      .service = subject.service.empty() ? right.service : absl::string_view(subject.service),
      .module = subject.module == "*" ? "" : absl::string_view(subject.module),
      .command = subject.command,
      .access = static_cast<auth::Access>(right.access | subject.more),
      .argument = auth::NoArguments,
      .address = caller.address};
  if (caller.May(need)) return absl::OkStatus();
  return caller.Denied(
      absl::StrCat("call ", right.method,
                   need.module.empty() ? "" : absl::StrCat(" on module '", need.module, "'"),
                   need.command.empty() ? "" : absl::StrCat(" with \"", need.command, "\"")),
      need);
}

absl::Status Gate::StillMay(const Right& right, const Subject& subject, Caller caller) const {
  const auth::Peer& peer = *caller.peer;
  if (peer.expires < absl::Now()) return Expired(peer);
  if (parts_.is_revoked(peer)) {
    return absl::UnauthenticatedError(
        absl::StrCat("the certificate of ", peer.name, " was revoked"));
  }
  std::optional<auth::Caps> caps = parts_.entities->CapsOf(caller.name);
  if (!caps) return absl::UnauthenticatedError(absl::StrCat(caller.name, " is not known any more"));
  if (caps->IsCopyOf(caller.caps)) return absl::OkStatus();
  caller.caps = *std::move(caps);
  // Which module a user is, their stream alone knows: it may begin again.
  if (right.kind == Right::Kind::kByModule && caller.module.empty() && !caller.may_do_all()) {
    return absl::PermissionDeniedError(
        absl::StrCat("the caps of ", caller.name, " have changed; attach again"));
  }
  return MayCall(right, subject, caller);
}

absl::StatusOr<std::unique_ptr<GatedService>> GatedService::Create(const std::string& name,
                                                                   grpc::Service* service,
                                                                   const Gate* gate,
                                                                   CallPace* pace) {
  const google::protobuf::ServiceDescriptor* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
  if (descriptor == nullptr) {
    return absl::NotFoundError(absl::StrCat("there is no service ", name));
  }
  auto gated = std::unique_ptr<GatedService>(new GatedService);
  for (int i = 0; i < descriptor->method_count(); ++i) {
    const google::protobuf::MethodDescriptor& method = *descriptor->method(i);
    const Right* right = FindRight(method.full_name());
    if (right == nullptr) {
      return absl::NotFoundError(absl::StrCat("what a caller needs for ", method.full_name(),
                                              " is not said; add a row to server/rpc/rights.cc"));
    }
    const RpcMethod::RpcType type = TypeOf(method);
    gated->paths_.push_back(absl::StrCat("/", name, "/", method.name()));
    gated->AddMethod(new RpcServiceMethod(gated->paths_.back().c_str(), type, nullptr));
    gated->MarkMethodCallback(i,
                              new GatedHandler(gate, pace, *right, type, Handlers::Of(service, i)));
  }
  return gated;
}

}  // namespace outpost::rpc
