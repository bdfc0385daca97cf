#include "server/rpc/commands_service.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "outpost/internal/utf8.h"
#include "server/event/proto_time.h"
#include "server/rpc/cancellable_reactor.h"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"

namespace outpost::rpc {
namespace {

// How much a timer and the wall clock may differ on when a deadline is.
constexpr absl::Duration kClockTick = absl::Milliseconds(10);

constexpr size_t kMaxInbuf = size_t{64} << 20;  // bytes

void Fill(command::Result result, v1::CommandResult* out) {
  out->set_retval(result.retval);
  if (internal::IsUtf8(result.out)) {
    out->set_stdout(std::move(result.out));
  } else {
    out->set_stdout_bytes(std::move(result.out));
  }
  out->set_stderr(internal::ToUtf8(result.err));
}

}  // namespace

grpc::ServerUnaryReactor* CommandsService::List(grpc::CallbackServerContext* context,
                                                const v1::CommandsListRequest* request,
                                                v1::CommandsListResponse* response) {
  for (const auto& command : parts_.table->List(request->prefix(), request->include_cluster())) {
    v1::CommandInfo& info = *response->add_commands();
    v1::CommandDescriptor& declaration = *info.mutable_declaration();
    declaration.set_signature(command->declaration.signature);
    declaration.set_description(internal::ToUtf8(command->declaration.description));
    declaration.set_permissions(command->declaration.permissions);
    declaration.set_poll(command->declaration.poll);
    info.set_provider(command->provider.ToString());
    info.set_prefix(std::string(command->signature.prefix()));
    info.set_usage(std::string(command->signature.Usage()));
    info.set_available(command->provider.kind != command::Provider::Kind::kModule ||
                       parts_.supervisor->IsRunning(command->provider.module));
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* CommandsService::Run(grpc::CallbackServerContext* context,
                                               const v1::CommandsRunRequest* request,
                                               v1::CommandsRunResponse* response) {
  const absl::StatusOr<Caller> caller = IdentifyCaller(*context, *parts_.supervisor);
  if (!caller.ok()) return FinishNow(context, caller.status());
  if (request->words().empty() && request->command_json().empty()) {
    return FinishNow(context, absl::InvalidArgumentError(
                                  "neither `words` nor `command_json` is set; e.g. {\"words\": "
                                  "[\"osd\", \"status\"]}"));
  }
  if (request->inbuf().size() > kMaxInbuf) {
    return FinishNow(context, ToGrpc(absl::InvalidArgumentError(absl::StrCat(
                                         "the input has ", request->inbuf().size(),
                                         " bytes; at most ", kMaxInbuf, " (64 MiB) are allowed")),
                                     "", {{"field", "inbuf"}, {"errno", absl::StrCat(EFBIG)}}));
  }
  command::Request run;
  run.words = {request->words().begin(), request->words().end()};
  run.command_json = request->command_json();
  if (request->has_inbuf() || !request->inbuf().empty()) run.inbuf = request->inbuf();
  run.format = request->format();
  const absl::Time deadline = DeadlineOf(*context);
  run.deadline = deadline;
  run.caller = caller->name;
  run.parent_call = request->parent_call();

  auto* reactor = new CancellableReactor;
  // The reactor may be gone when Run returns.
  const auto work = reactor->work();
  work->Started(parts_.dispatcher->Run(std::move(run), [reactor, response,
                                                        deadline](command::Response outcome) {
    // The client ends the call at this moment, too, and the module may have seen that its
    // time is over: it is to be the same, whoever is first.
    const int error = -outcome.result.retval;
    if ((error == ETIMEDOUT || error == ECANCELED) && deadline - absl::Now() < kClockTick) {
      return reactor->Finish(ToGrpc(absl::DeadlineExceededError(outcome.result.err)));
    }
    Fill(std::move(outcome.result), response->mutable_result());
    response->set_prefix(std::move(outcome.prefix));
    response->set_provider(std::move(outcome.provider));
    response->set_poll(outcome.poll);
    reactor->Finish(grpc::Status::OK);
  }));
  return reactor;
}

grpc::ServerUnaryReactor* CommandsService::Complete(grpc::CallbackServerContext* context,
                                                    const v1::CommandsCompleteRequest* request,
                                                    v1::CommandsCompleteResponse* response) {
  for (auto& candidate : parts_.table->Complete({request->words().begin(), request->words().end()},
                                                parts_.known_values)) {
    v1::Completion& completion = *response->add_completions();
    completion.set_text(std::move(candidate.text));
    completion.set_description(std::move(candidate.description));
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* CommandsService::SendClusterCommand(
    grpc::CallbackServerContext* context, const v1::SendClusterCommandRequest* request,
    v1::SendClusterCommandResponse* response) {
  const absl::StatusOr<Caller> caller = IdentifyCaller(*context, *parts_.supervisor);
  if (!caller.ok()) return FinishNow(context, caller.status());
  absl::Time deadline = DeadlineOf(*context);
  if (request->has_timeout()) {
    deadline = std::min(deadline, absl::Now() + event::FromProto(request->timeout()));
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  parts_.source->RunCommand(
      {.service_type = request->service_type(),
       .service_id = request->service_id(),
       .command_json = request->command_json(),
       .inbuf = request->inbuf(),
       .deadline = deadline},
      [hub = parts_.hub, reactor, response, tag = request->tag(),
       owner = caller->name](command::Result result) {
        if (!tag.empty()) {
          hub->PublishEvent({.type = "command",
                             .id = tag,
                             .payload_json = nlohmann::json{{"retval", result.retval}}.dump(),
                             .only_for = owner});
        }
        Fill(std::move(result), response->mutable_result());
        reactor->Finish(grpc::Status::OK);
      });
  return reactor;
}

}  // namespace outpost::rpc
