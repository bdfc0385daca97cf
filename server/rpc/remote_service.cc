#include "server/rpc/remote_service.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/rpc/cancellable_reactor.h"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"

namespace outpost::rpc {
namespace {

absl::Status CheckArguments(const v1::RemoteCallRequest& request) {
  if (request.method().empty()) return absl::InvalidArgumentError("`method` is empty");
  const auto parse = [](const std::string& text) {
    return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  };
  if (!request.args_json().empty() && !parse(request.args_json()).is_array()) {
    return absl::InvalidArgumentError("`args_json` is not a JSON array");
  }
  if (!request.kwargs_json().empty() && !parse(request.kwargs_json()).is_object()) {
    return absl::InvalidArgumentError("`kwargs_json` is not a JSON object");
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* RemoteService::Call(grpc::CallbackServerContext* context,
                                              const v1::RemoteCallRequest* request,
                                              v1::RemoteCallResponse* response) {
  const Caller& caller = CallerOf(*context);
  if (auto status = CheckArguments(*request); !status.ok()) return FinishNow(context, status);
  auto* reactor = new CancellableReactor;
  // The reactor may be gone when Call returns.
  const auto work = reactor->work();
  std::shared_ptr<module::Ticket> ticket = router_->Call(
      {.module = request->module(),
       .method = request->method(),
       .args_json = request->args_json(),
       .kwargs_json = request->kwargs_json(),
       .parent_call = request->parent_call(),
       .caller = caller.name,
       .deadline = DeadlineOf(*context)},
      [reactor, response, here = at_work_->Enter(caller)](module::RemoteOutcome outcome) {
        *response = std::move(outcome.response);
        reactor->Finish(ToGrpc(outcome.status, outcome.reason));
      });
  work->Started([ticket = std::move(ticket)] { ticket->Cancel(); });
  return reactor;
}

}  // namespace outpost::rpc
