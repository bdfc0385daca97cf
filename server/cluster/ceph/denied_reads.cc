#include "server/cluster/ceph/denied_reads.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/log/log.h"

namespace outpost::cluster::ceph {

bool IsDenied(const command::Result& result) {
  return result.retval == -EACCES || result.retval == -EPERM;
}

void DeniedReads::Note(absl::string_view what, absl::string_view needed,
                       const command::Result& result) {
  absl::MutexLock lock(&mu_);
  if (IsDenied(result)) {
    std::string line = absl::StrCat(what, " takes the capability ", needed);
    if (!lines_.try_emplace(std::string(what), line).second) return;
    log::Get("cluster").warn("ceph: {} may not read all of the cluster: {}", client_, line);
  } else if (const auto known = lines_.find(what); result.retval == 0 && known != lines_.end()) {
    lines_.erase(known);
  } else {
    return;
  }
  Access access = {.client = client_, .denied = {}};
  for (const auto& [name, line] : lines_) access.denied.push_back(line);
  state_.SetAccess(std::move(access));
}

}  // namespace outpost::cluster::ceph
