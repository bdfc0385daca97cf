#include "server/rpc/commands_service.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "outpost/internal/steady_wait.h"
#include "outpost/internal/utf8.h"
#include "server/event/moment.h"
#include "server/event/proto_time.h"
#include "server/rpc/audited_calls.h"
#include "server/rpc/cancellable_reactor.h"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"
#include "server/rpc/rights.h"

namespace outpost::rpc {
namespace {

// How much sooner a client may find that a deadline has come.
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

// The text of an argument, as rights have it.
std::optional<std::string> ArgumentText(const nlohmann::json& arguments, absl::string_view name) {
  const auto it = arguments.find(std::string(name));
  if (it == arguments.end()) return std::nullopt;
  if (it->is_string()) return it->get<std::string>();
  return it->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The prefix of what `tell` sends; it comes as words, or as JSON.
std::string ToldPrefix(const nlohmann::json& arguments) {
  const auto words = arguments.find("command");
  if (words == arguments.end() || !words->is_array()) return "";
  std::string joined;
  for (const nlohmann::json& word : *words) {
    if (!word.is_string()) continue;
    absl::StrAppend(&joined, joined.empty() ? "" : " ", word.get_ref<const std::string&>());
  }
  return absl::StartsWith(joined, "{") ? PrefixInJson(joined) : joined;
}

absl::Status MayRun(const Caller& caller, const command::Match& match) {
  if (caller.may_do_all()) return absl::OkStatus();
  const command::Command& command = *match.command;
  const absl::string_view prefix = command.signature.prefix();
  absl::string_view service;
  std::optional<Guard> guard;
  std::string told;
  if (command.provider.kind == command::Provider::Kind::kManager) {
    service = ServiceOfCommand(prefix);
    if (prefix == "tell") guard = GuardOf(told = ToldPrefix(match.args));
  } else if (command.provider.kind == command::Provider::Kind::kCluster) {
    service = "mon";
    guard = GuardOf(prefix);
  }
  // What is guarded is no more for whoever may `tell` than it is without that.
  const bool guarded_tell = guard && !told.empty();
  const auto argument = [&](absl::string_view name) {
    return guarded_tell ? std::nullopt : ArgumentText(match.args, name);
  };
  const auth::Need need = {
      .service = guard ? guard->service : service,
      .module = command.provider.module,
      .command = guarded_tell ? absl::string_view(told) : prefix,
      .access = static_cast<auth::Access>(auth::AccessOf(command.declaration.permissions) |
                                          (guard ? guard->more : auth::Access{0})),
      .argument = argument,
      .address = ""};
  if (caller.module == command.provider.module && !caller.module.empty()) return absl::OkStatus();
  if (caller.May(need)) return absl::OkStatus();
  return caller.Denied(absl::StrCat("run \"", prefix, "\"",
                                    guarded_tell ? absl::StrCat(" with \"", told, "\"") : ""),
                       need);
}

// The arguments of a command without what is nobody's to read.
nlohmann::json WithoutSecrets(absl::string_view prefix, const nlohmann::json& arguments,
                              const std::function<bool(const std::string&)>& is_secret_option) {
  const auto text = [&](const char* name) { return ArgumentText(arguments, name).value_or(""); };
  nlohmann::json shown = arguments;
  for (auto& [name, value] : shown.items()) {
    const bool of_option = prefix == "config set" && name == "value" &&
                           (is_secret_option(text("name")) || is_secret_option(text("who")) ||
                            auth::SoundsSecret(text("name")) || auth::SoundsSecret(text("who")));
    const bool of_key = absl::StartsWith(prefix, "config-key ") && name == "val";
    if (of_option || of_key || auth::SoundsSecret(absl::StrCat("/", name))) {
      value = auth::kNotShown;
    }
  }
  // The name of a key is not one.
  if (shown.contains("key")) shown["key"] = arguments["key"];
  return shown;
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
  const Caller& caller = CallerOf(*context);
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
  run.caller = caller.name;
  // What only reads is not written down, unless it was refused.
  auto record = std::make_shared<std::optional<auth::AuditRecord>>();
  run.authorize = [this, &caller, record](const command::Match& match) {
    absl::Status may = MayRun(caller, match);
    const command::Declaration& declared = match.command->declaration;
    if (may.ok() && (auth::AccessOf(declared.permissions) & auth::kWrite) == 0) return may;
    const absl::string_view prefix = match.command->signature.prefix();
    auth::AuditRecord& line = record->emplace(AuditLineOf(caller));
    line.command = std::string(prefix);
    line.arguments = WithoutSecrets(prefix, match.args, parts_.is_secret_option);
    line.hides = line.arguments != match.args;
    line.refused = !may.ok();
    return may;
  };
  run.parent_call = request->parent_call();

  const auto note = [record, audit = parts_.audit](int result, const std::string& error) {
    if (!record->has_value()) return;
    auth::AuditRecord& line = **record;
    line.result = result;
    if (result < 0) line.error = internal::ToUtf8(error);
    line.took = event::Moment::Now() - line.began;
    audit->Write(line);
  };

  auto* reactor = new CancellableReactor;
  auto answer = [reactor, context, response, deadline, note,
                 here = parts_.at_work->Enter(caller)](command::Response outcome) {
    note(outcome.result.retval, outcome.result.err);
    if (!outcome.refused.ok()) {
      return RefuseInTurn(*context, [reactor, refused = std::move(outcome.refused)] {
        reactor->Finish(ToGrpc(refused, "NO_RIGHT"));
      });
    }
    // The client ends the call at this moment, too, and the module may have seen that its
    // time is over: it is to be the same, whoever is first.
    const int error = -outcome.result.retval;
    if ((error == ETIMEDOUT || error == ECANCELED) &&
        deadline - internal::SteadyNow() < kClockTick) {
      return reactor->Finish(ToGrpc(absl::DeadlineExceededError(outcome.result.err)));
    }
    Fill(std::move(outcome.result), response->mutable_result());
    response->set_prefix(std::move(outcome.prefix));
    response->set_provider(std::move(outcome.provider));
    response->set_poll(outcome.poll);
    reactor->Finish(grpc::Status::OK);
  };
  if (!request->idempotency_key().empty()) {
    parts_.keyed_runs->Run(
        request->idempotency_key(), std::move(run),
        [reactor, response, record, note, answer](command::KeyedRuns::Outcome outcome) {
          if (!outcome.status.ok()) {
            const grpc::Status status = ToGrpc(outcome.status, outcome.reason);
            note(-ErrnoOf(status), status.error_message());
            return reactor->Finish(status);
          }
          response->set_replayed(outcome.replayed);
          if (record->has_value()) (*record)->replayed = outcome.replayed;
          answer(std::move(outcome.response));
        });
    return reactor;
  }
  // The reactor may be gone when Run returns.
  const auto work = reactor->work();
  work->Started(parts_.dispatcher->Run(std::move(run), std::move(answer)));
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
  const Caller& caller = CallerOf(*context);
  absl::Time deadline = DeadlineOf(*context);
  if (request->has_timeout()) {
    deadline = std::min(deadline, internal::SteadyNow() + event::FromProto(request->timeout()));
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  parts_.source->RunCommand(
      {.service_type = request->service_type(),
       .service_id = request->service_id(),
       .command_json = request->command_json(),
       .inbuf = request->inbuf(),
       .deadline = deadline},
      [hub = parts_.hub, context, reactor, response, tag = request->tag(),
       owner = caller.name](command::Result result) {
        NoteResult(context, result.retval, internal::ToUtf8(result.err));
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
