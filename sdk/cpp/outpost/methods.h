// Methods are what other modules (and operators) call with Remote. Arguments and
// results are JSON. A module declares them in its constructor:
//
//     methods().Add("ping", [](const Json& args, const Json& kwargs) -> absl::StatusOr<Json> {
//       return "pong";
//     });
//
// **Thread safety.** As command.h says of commands.
#ifndef OUTPOST_SDK_CPP_OUTPOST_METHODS_H_
#define OUTPOST_SDK_CPP_OUTPOST_METHODS_H_

#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "outpost/call_context.h"
#include "outpost/json.h"

namespace outpost {

// Gives the result as JSON. An error reaches the caller as the failure of the
// method: its code's name is the exception's type there.
using MethodHandler = std::function<absl::StatusOr<Json>(const CallContext& context,
                                                         const Json& args, const Json& kwargs)>;

class MethodSet {
 public:
  // `handler` takes (const CallContext&, args, kwargs) or (args, kwargs): an
  // array and an object.
  template <typename Handler>
  void Add(std::string name, Handler handler) {
    if (name.empty() || methods_.contains(name)) {
      status_.Update(absl::InvalidArgumentError(absl::StrCat(
          "method \"", name, "\" ", name.empty() ? "has no name" : "is declared twice")));
    } else if constexpr (std::is_invocable_v<Handler&, const CallContext&, const Json&,
                                             const Json&>) {
      methods_[std::move(name)] = std::move(handler);
    } else {
      methods_[std::move(name)] = [handler = std::move(handler)](
                                      const CallContext&, const Json& args,
                                      const Json& kwargs) mutable -> absl::StatusOr<Json> {
        return handler(args, kwargs);
      };
    }
  }

  // What is wrong with the declarations, by name; as CommandSet::status.
  absl::Status status() const { return status_; }
  const std::map<std::string, MethodHandler>& methods() const { return methods_; }

 private:
  std::map<std::string, MethodHandler> methods_;
  absl::Status status_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_METHODS_H_
