#include "server/command/dispatcher.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/log/log.h"

namespace outpost::command {
namespace {

// The JSON object that a provider gets: prefix, format, arguments.
std::string CommandJson(const Match& match, const std::string& format) {
  nlohmann::json object = match.args;
  object["prefix"] = match.command->signature.prefix();
  if (!format.empty()) object["format"] = format;
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Dispatcher::Dispatcher(CommandTable* table, module::CallRouter* modules, cluster::Source* source)
    : table_(table), modules_(modules), source_(source) {}

void Dispatcher::AddBuiltin(Declaration declaration, BuiltinHandler handler) {
  const absl::StatusOr<Signature> signature = Signature::Parse(declaration.signature);
  // A wrong one is refused, with its name, by PublishBuiltins.
  if (signature.ok()) builtins_[std::string(signature->prefix())] = std::move(handler);
  builtin_declarations_.push_back(std::move(declaration));
}

absl::Status Dispatcher::PublishBuiltins() {
  return table_->SetCommands({Provider::Kind::kManager, ""}, builtin_declarations_);
}

void Dispatcher::PublishClusterCommands() {
  const absl::Status status =
      table_->SetCommands({Provider::Kind::kCluster, ""}, WithValidSignatures(source_->Commands()));
  if (!status.ok()) log::Get("command").warn("commands of the cluster: {}", status.ToString());
}

absl::StatusOr<Match> Dispatcher::Resolve(const Request& request) const {
  return request.command_json.empty() ? table_->ResolveWords(request.words)
                                      : table_->ResolveJson(request.command_json);
}

Response Dispatcher::Unresolved(const absl::Status& why) {
  invalid_commands_.fetch_add(1, std::memory_order_relaxed);
  Response response;
  response.result = {
      .retval = -EINVAL, .out = "", .err = std::string(why.message()), .not_begun = true};
  if (CommandTable::IsUnknownCommand(why) && source_->Commands().empty()) {
    absl::StrAppend(&response.result.err,
                    "\nThe cluster has not been reached yet, and so its commands are not known; "
                    "see `outpost health detail`");
  }
  return response;
}

Dispatcher::CancelFunction Dispatcher::Run(Request request, Done done) {
  const metrics::Clock::time_point came = metrics::Clock::now();
  absl::StatusOr<Match> match = Resolve(request);
  if (!match.ok()) {
    done(Unresolved(match.status()));
    return nullptr;
  }
  Response response;
  const Command& command = *match->command;
  response.prefix = std::string(command.signature.prefix());
  response.provider = command.provider.ToString();
  response.poll = command.declaration.poll;
  if (request.authorize) {
    response.refused = request.authorize(*match);
    if (!response.refused.ok()) {
      response.result = {
          .retval = -EACCES, .out = "", .err = std::string(response.refused.message())};
      done(std::move(response));
      return nullptr;
    }
  }
  // A format named in the JSON object is the caller's as well.
  std::string format = request.format;
  if (auto named = match->args.find("format"); named != match->args.end()) {
    if (format.empty() && named->is_string()) format = named->get<std::string>();
    match->args.erase(named);
  }
  metrics::RequestCounters& counters = counters_[static_cast<size_t>(command.provider.kind)];
  ResultCallback finish = [done = std::move(done), response = std::move(response), came,
                           &counters](Result result) mutable {
    counters.Answered(result.retval == 0, came);
    response.result = std::move(result);
    done(std::move(response));
  };
  switch (command.provider.kind) {
    case Provider::Kind::kManager: {
      const auto handler = builtins_.find(command.signature.prefix());
      handler->second({.args = std::move(match->args),
                       .format = std::move(format),
                       .inbuf = std::move(request.inbuf),
                       .deadline = request.deadline,
                       .caller = std::move(request.caller)},
                      std::move(finish));
      return nullptr;
    }
    case Provider::Kind::kModule: {
      std::shared_ptr<module::Ticket> ticket =
          modules_->RunCommand(command.provider.module,
                               {.prefix = std::string(command.signature.prefix()),
                                .command_json = CommandJson(*match, format),
                                .inbuf = std::move(request.inbuf),
                                .deadline = request.deadline,
                                .caller = std::move(request.caller),
                                .parent_call = std::move(request.parent_call),
                                .idempotency_key = std::move(request.idempotency_key),
                                .only_instance = std::move(request.only_instance)},
                               std::move(finish));
      return [ticket = std::move(ticket)] { ticket->Cancel(); };
    }
    case Provider::Kind::kCluster:
      source_->RunCommand({.service_type = "mon",
                           .service_id = "",
                           .command_json = CommandJson(*match, format),
                           .inbuf = std::move(request.inbuf).value_or(""),
                           .deadline = request.deadline},
                          std::move(finish));
      return nullptr;
  }
  return nullptr;
}

}  // namespace outpost::command
