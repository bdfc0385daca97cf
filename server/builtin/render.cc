#include "server/builtin/render.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "outpost/internal/printable.h"
#include "outpost/internal/status_errno.h"

namespace outpost::builtin {

command::Result Render(const std::string& format, const nlohmann::json& data,
                       const std::function<std::string()>& plain) {
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  if (format.empty() || format == "plain") {
    return {.retval = 0, .out = internal::Printable(plain()), .err = ""};
  }
  if (format == "json") return {.retval = 0, .out = data.dump(-1, ' ', false, kReplace), .err = ""};
  if (format == "json-pretty") {
    return {.retval = 0, .out = data.dump(4, ' ', false, kReplace), .err = ""};
  }
  return {.retval = -EINVAL,
          .out = "",
          .err = absl::StrCat("format \"", format,
                              "\" is not one of plain, json, json-pretty for this command")};
}

command::Result Failure(const absl::Status& status) {
  return {.retval = -internal::ErrnoOf(status.code()),
          .out = "",
          .err = internal::Printable(status.message())};
}

}  // namespace outpost::builtin
