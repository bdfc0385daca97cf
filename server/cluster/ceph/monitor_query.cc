#include "server/cluster/ceph/monitor_query.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace outpost::cluster::ceph {

absl::StatusOr<std::string> Query(MonitorCommand monitors, const MonitorQuery& query) {
  const command::Result result =
      monitors(absl::StrCat(R"({"prefix":")", query.prefix, R"(","format":"json")",
                            query.arguments.empty() ? "" : ",", query.arguments, "}"));
  if (result.retval == 0) return std::string(absl::StripAsciiWhitespace(result.out));
  const int error = -result.retval;
  const std::string why = absl::StrCat(
      "\"", query.prefix,
      "\" failed: ", result.err.empty() ? std::string(std::strerror(error)) : result.err);
  if (error == ETIMEDOUT || error == ENOTCONN) return absl::DeadlineExceededError(why);
  if (error == ESHUTDOWN) return absl::CancelledError(why);
  if (error == EACCES || error == EPERM) {
    return absl::PermissionDeniedError(absl::StrCat(
        why, ": the client needs at least the capabilities mon 'allow r' and mgr 'allow r'"));
  }
  return absl::UnavailableError(why);
}

}  // namespace outpost::cluster::ceph
