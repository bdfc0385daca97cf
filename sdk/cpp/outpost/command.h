// Commands are what operators type. A module declares them in its constructor,
// each with a handler whose parameters are typed as the arguments are:
//
//     commands().Add("hello count")
//         .Describe("Count")
//         .Arg<int64_t>("num", {.min = 1, .max = 1000})
//         .Arg<std::optional<std::string>>("unit")
//         .Handle([this](const CommandContext& ctx, int64_t num,
//                        std::optional<std::string> unit) -> CommandResult { … });
//
// A handler that does not fit its arguments does not compile. What it returns is
// anything that makes a CommandResult: also absl::Status, absl::StatusOr of a
// text. An exception that leaves it is -EINVAL and a line in the log.
//
// **Thread safety.** CommandSet is for the module's constructor. Handlers run on
// the module's worker threads, as many at once as ModuleInfo.max_concurrency.
#ifndef OUTPOST_SDK_CPP_OUTPOST_COMMAND_H_
#define OUTPOST_SDK_CPP_OUTPOST_COMMAND_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "outpost/arguments.h"
#include "outpost/call_context.h"
#include "outpost/command_result.h"
#include "outpost/json.h"

namespace outpost {

// CommandContext is what a handler knows of one run of its command.
class CommandContext : public CallContext {
 public:
  CommandContext(std::shared_ptr<const internal::CallState> state, std::string prefix,
                 std::string format, std::optional<std::string> inbuf)
      : CallContext(std::move(state)),
        prefix_(std::move(prefix)),
        format_(std::move(format)),
        inbuf_(std::move(inbuf)) {}

  // The literal words: "osd status".
  absl::string_view prefix() const { return prefix_; }
  // "json", "json-pretty", "plain", …; empty: the command's own. See format.h.
  absl::string_view format() const { return format_; }
  // The content of the caller's input file; nullopt: there is none.
  const std::optional<std::string>& inbuf() const { return inbuf_; }

 private:
  std::string prefix_;
  std::string format_;
  std::optional<std::string> inbuf_;
};

// Runs a command with its arguments: a JSON object, checked by the manager.
using RawCommandHandler = std::function<CommandResult(const CommandContext&, const Json& args)>;

struct Command {
  std::string prefix;
  std::string signature;  // Ceph's: "osd status name=bucket,type=CephString,req=false"
  std::string description;
  std::string permissions = "r";
  bool poll = false;
  RawCommandHandler handler;
};

class CommandSet;

// Declares one command; see the top of this file. Each call uses the builder up.
template <typename... Args>
class [[nodiscard("a command is declared by Handle")]] CommandBuilder {
 public:
  CommandBuilder(CommandSet * set, Command command, std::tuple<internal::ArgSpec<Args>...> args)
      : set_(set), command_(std::move(command)), args_(std::move(args)) {}

  // In one sentence, for help.
  CommandBuilder Describe(std::string text)&& {
    command_.description = std::move(text);
    return std::move(*this);
  }
  // What a caller needs: "r" (the default), "w", "rw", "x", …
  CommandBuilder Perm(std::string permissions)&& {
    command_.permissions = std::move(permissions);
    return std::move(*this);
  }
  // A client should run it again each period until it is interrupted.
  CommandBuilder Poll()&& {
    command_.poll = true;
    return std::move(*this);
  }
  // The next argument; arguments.h lists the types.
  template <typename T>
  CommandBuilder<Args..., T> Arg(std::string name, ArgDetails<T> details = {})&& {
    internal::ArgSpec<T> spec{std::move(name), std::move(details)};
    absl::StrAppend(&command_.signature, " ", internal::ArgSignature(spec));
    return CommandBuilder<Args..., T>(
        set_, std::move(command_), std::tuple_cat(std::move(args_), std::tuple(std::move(spec))));
  }
  // Declares the command. `handler` takes (const CommandContext&, Args...) or,
  // where it needs no context, (Args...).
  template <typename Handler>
  void Handle(Handler handler)&&;

 private:
  CommandSet* set_;
  Command command_;
  std::tuple<internal::ArgSpec<Args>...> args_;
};

class CommandSet {
 public:
  // Begins the declaration of a command by its literal words.
  CommandBuilder<> Add(std::string prefix) {
    Command command;
    command.prefix = prefix;
    command.signature = std::move(prefix);
    return CommandBuilder<>(this, std::move(command), {});
  }

  // Declares a command by Ceph's signature string; the handler gets the JSON.
  void AddRaw(std::string signature, std::string description, std::string permissions,
              RawCommandHandler handler);

  void AddCommand(Command command);

  const std::vector<Command>& commands() const { return commands_; }
  const Command* Find(absl::string_view prefix) const;
  // What is wrong with the declarations: a prefix twice, no words, bad permissions.
  absl::Status status() const { return status_; }

 private:
  std::vector<Command> commands_;
  absl::Status status_;
};

template <typename... Args>
template <typename Handler>
void CommandBuilder<Args...>::Handle(Handler handler) && {
  constexpr bool kWithContext = std::is_invocable_v<Handler&, const CommandContext&, Args...>;
  static_assert(kWithContext || std::is_invocable_v<Handler&, Args...>,
                "the handler's parameters must be (const CommandContext&, the arguments' types in "
                "the order of Arg), or the same without the context");
  command_.handler = [handler = std::move(handler), specs = std::move(args_)](
                         const CommandContext& context, const Json& json) mutable -> CommandResult {
    auto parsed = std::apply(
        [&json](const auto&... spec) { return std::tuple(internal::ParseArg(spec, json)...); },
        specs);
    absl::Status status;
    std::apply([&status](const auto&... arg) { (status.Update(arg.status()), ...); }, parsed);
    if (!status.ok()) return status;
    return std::apply(
        [&](auto&... arg) -> CommandResult {
          if constexpr (kWithContext) {
            return CommandResult(handler(context, *std::move(arg)...));
          } else {
            return CommandResult(handler(*std::move(arg)...));
          }
        },
        parsed);
  };
  set_->AddCommand(std::move(command_));
}

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_COMMAND_H_
