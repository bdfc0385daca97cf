#include "server/rpc/auth_service.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/auth/caps.h"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"
#include "server/rpc/refused_stream.h"
#include "server/rpc/tail_stream.h"

namespace outpost::rpc {
namespace {

using AuditStream = TailStream<v1::TailAuditResponse>;

// Where a reader of the audit log is.
class Reader {
 public:
  Reader(const auth::AuditLog* audit, const v1::TailAuditRequest& request)
      : audit_(audit), follow_(request.follow()), end_(audit->End()) {
    const size_t last = request.has_last() ? request.last() : std::numeric_limits<size_t>::max();
    next_ = audit->Start(last, request.after());
  }

  bool Read(v1::TailAuditResponse* response) {
    if (!follow_ && next_ >= end_) return false;
    std::optional<std::string> entry = audit_->Read(&next_, &missed_);
    if (!entry) return false;
    response->set_number(next_ - 1);
    response->set_entry_json(*std::move(entry));
    response->set_missed(std::exchange(missed_, 0));
    return true;
  }

 private:
  const auth::AuditLog* audit_;
  bool follow_;
  uint64_t end_;  // of what there was when the call came
  uint64_t next_ = 0;
  uint64_t missed_ = 0;
};

}  // namespace

grpc::ServerUnaryReactor* AuthService::IsAuthorized(grpc::CallbackServerContext* context,
                                                    const v1::IsAuthorizedRequest* request,
                                                    v1::IsAuthorizedResponse* response) {
  const absl::StatusOr<std::string> module =
      CallingModule(*context, "who may use a module is asked by the module");
  if (!module.ok()) return FinishNow(context, module.status());
  const auto argument = [&](absl::string_view name) -> std::optional<std::string> {
    const auto it = request->arguments().find(std::string(name));
    if (it == request->arguments().end()) return std::nullopt;
    return it->second;
  };
  const std::optional<auth::Caps> caps = entities_->CapsOf(request->caller());
  const auto may_from = [&](absl::string_view address) {
    return caps->Allow({.service = "",
                        .module = *module,
                        .command = "",
                        .access = auth::AccessOf(request->permissions()),
                        .argument = argument,
                        .address = address});
  };
  // Of several calls of theirs it is not known which one the module works on.
  const std::vector<std::string> from = at_work_->AddressesOf(request->caller());
  response->set_authorized(
      caps.has_value() &&
      (from.empty() ? may_from("") : std::all_of(from.begin(), from.end(), may_from)));
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerWriteReactor<v1::TailAuditResponse>* AuthService::TailAudit(
    grpc::CallbackServerContext* context, const v1::TailAuditRequest* request) {
  if (const absl::Status refused = Admit(*context); !refused.ok()) {
    return TooManyStreams<grpc::ServerWriteReactor<v1::TailAuditResponse>>(refused);
  }
  AuditStream::Listen listen;
  if (request->follow()) {
    listen = [audit = audit_](std::function<void()> wake) {
      const uint64_t id = audit->Listen(std::move(wake));
      return [audit, id] { audit->Unlisten(id); };
    };
  }
  return new AuditStream(
      [reader = Reader(audit_, *request)](v1::TailAuditResponse* response) mutable {
        return reader.Read(response);
      },
      listen);
}

}  // namespace outpost::rpc
