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
// A handler that does not fit its arguments does not compile. It returns
//
//     CommandResult              a return code, the output and a note
//     absl::Status               for OK no output; else its errno and message
//     std::string                the output
//     a value                    printed as the caller asked for (--format): Json, or
//                                whatever Json can be made of: a struct with nlohmann's
//                                to_json, a std::vector or std::map of such, …
//     absl::StatusOr of the last two
//
// A value is JSON, YAML or XML by itself, and for people a table; a function that is
// given to Handle beside the handler prints it for people instead:
//
//     .Handle([this] { return ListOsds(); },  // absl::StatusOr<std::vector<Osd>>
//             [](const std::vector<Osd>& osds) { return OsdTable(osds).Print(); });
//
// A format that there is not is refused before such a handler runs. An exception
// that leaves a handler is -EINVAL and a line in the log.
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
#include "outpost/format.h"
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
  // The content of the caller's input file, byte for byte; nullopt: there is none.
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
  std::string permissions = "rw";  // as with ceph-mgr: who does not say may change something
  bool poll = false;
  std::string needs_input;  // what for; empty: it does not
  RawCommandHandler handler;

  // The arguments so far, and what was wrong with the first bad one.
  std::vector<internal::ArgOutline> args = {};
  absl::Status fault = {};

  void NoteArg(internal::ArgOutline arg, absl::Status status);
};

namespace internal {

template <typename T>
struct WithoutStatus {
  using Type = T;
};
template <typename T>
struct WithoutStatus<absl::StatusOr<T>> {
  using Type = T;
};

// Whether a handler's T is a value to be printed as the caller asks for. (Json
// itself can be made into a text, too.) A bare number would look like a return code.
template <typename T>
inline constexpr bool kIsText =
    std::is_convertible_v<T, absl::string_view> || std::is_same_v<T, std::string>;
template <typename T>
inline constexpr bool kIsValue = std::is_same_v<typename WithoutStatus<T>::Type, Json> ||
                                 (!kIsText<typename WithoutStatus<T>::Type> &&
                                  !std::is_arithmetic_v<T> &&
                                  std::is_constructible_v<Json, typename WithoutStatus<T>::Type>);

// What a handler's plain renderer is when there is none.
struct NoPlain {};

template <typename T, typename Plain>
CommandResult PrintValue(const CommandContext& context, const absl::StatusOr<T>& value,
                         Plain& plain) {
  if (!value.ok()) return value.status();
  if constexpr (std::is_same_v<Plain, NoPlain>) {
    return Render(context, Json(*value));
  } else {
    static_assert(std::is_invocable_r_v<std::string, Plain&, const T&>,
                  "what prints a handler's value takes it, and gives a std::string");
    return Render(context, Json(*value), [&]() -> std::string { return plain(*value); });
  }
}

}  // namespace internal

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
  // What a caller needs: "r" for what changes nothing, "w", "rw" (the default), "x", …
  CommandBuilder Perm(std::string permissions)&& {
    command_.permissions = std::move(permissions);
    return std::move(*this);
  }
  // A client should run it again each period until it is interrupted.
  CommandBuilder Poll()&& {
    command_.poll = true;
    return std::move(*this);
  }
  // It is refused without an input file (-i) that has more than white space in it;
  // `what` is for the refusal, e.g. "the password".
  CommandBuilder NeedsInput(std::string what)&& {
    command_.needs_input = std::move(what);
    return std::move(*this);
  }
  // The next argument; arguments.h lists the types.
  template <typename T>
  CommandBuilder<Args..., T> Arg(std::string name, ArgDetails<T> details = {})&& {
    internal::ArgSpec<T> spec{std::move(name), std::move(details)};
    command_.NoteArg({spec.name, spec.details.positional,
                      !internal::ArgShape<T>::kOptional && !spec.details.default_value,
                      internal::ArgShape<T>::kRepeated},
                     internal::CheckArg(spec));
    absl::StrAppend(&command_.signature, " ", internal::ArgSignature(spec));
    return CommandBuilder<Args..., T>(
        set_, std::move(command_), std::tuple_cat(std::move(args_), std::tuple(std::move(spec))));
  }
  // Declares the command. `handler` takes (const CommandContext&, Args...) or,
  // where it needs no context, (Args...); `plain` prints the value that it returns
  // for people. The top of this file says what it may return.
  template <typename Handler, typename Plain = internal::NoPlain>
  void Handle(Handler handler, Plain plain = {})&&;

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
  // What is wrong with the declarations, by name: a prefix twice, no words, bad
  // permissions, an argument that can't be meant so. The module ends with it when it
  // is to attach.
  absl::Status status() const { return status_; }

 private:
  std::vector<Command> commands_;
  absl::Status status_;
};

template <typename... Args>
template <typename Handler, typename Plain>
void CommandBuilder<Args...>::Handle(Handler handler, Plain plain) && {
  constexpr bool kWithContext = std::is_invocable_v<Handler&, const CommandContext&, Args...>;
  static_assert(kWithContext || std::is_invocable_v<Handler&, Args...>,
                "the handler's parameters must be (const CommandContext&, the arguments' types in "
                "the order of Arg), or the same without the context");
  const auto call = [](Handler& h, const CommandContext& context, auto&... arg) {
    if constexpr (kWithContext) {
      return h(context, *std::move(arg)...);
    } else {
      return h(*std::move(arg)...);
    }
  };
  using Returned = decltype(call(handler, std::declval<const CommandContext&>(),
                                 std::declval<absl::StatusOr<Args>&>()...));
  constexpr bool kValue = internal::kIsValue<Returned>;
  static_assert(kValue || std::is_constructible_v<CommandResult, Returned>,
                "a handler returns a CommandResult, an absl::Status, a text, a value that Json "
                "can be made of, or an absl::StatusOr of one of the last two");
  static_assert(kValue || std::is_same_v<Plain, internal::NoPlain>,
                "only a handler that returns a value needs something to print it");
  command_.handler = [handler = std::move(handler), plain = std::move(plain), call,
                      specs = std::move(args_)](const CommandContext& context,
                                                const Json& json) mutable -> CommandResult {
    absl::Status status;
    if constexpr (kValue) status = ParseFormat(context.format()).status();
    auto parsed = std::apply(
        [&json](const auto&... spec) { return std::tuple(internal::ParseArg(spec, json)...); },
        specs);
    std::apply([&status](const auto&... arg) { (status.Update(arg.status()), ...); }, parsed);
    if (!status.ok()) return status;
    return std::apply(
        [&](auto&... arg) -> CommandResult {
          if constexpr (kValue) {
            using Value = typename internal::WithoutStatus<Returned>::Type;
            return internal::PrintValue(
                context, absl::StatusOr<Value>(call(handler, context, arg...)), plain);
          } else {
            return CommandResult(call(handler, context, arg...));
          }
        },
        parsed);
  };
  set_->AddCommand(std::move(command_));
}

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_COMMAND_H_
