// The module status answers "osd status" and "fs status": what the OSDs and the
// file systems of the cluster do, at a glance. It keeps nothing.
//
// **Thread safety.** As outpost::Module says.
#ifndef OUTPOST_MODULES_STATUS_STATUS_MODULE_H_
#define OUTPOST_MODULES_STATUS_STATUS_MODULE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/status/counters.h"
#include "outpost/module.h"

namespace status {

class StatusModule : public outpost::Module {
 public:
  StatusModule();

 private:
  outpost::CommandResult OsdStatus(const outpost::CommandContext& context,
                                   const std::optional<std::string>& bucket);
  outpost::CommandResult FsStatus(const outpost::CommandContext& context,
                                  const std::optional<std::string>& fs);

  // A structure; where the source has none of this name, one whose value is null.
  absl::StatusOr<outpost::StructureRef> GetIfThere(absl::string_view name);
  // Counters of all daemons of a type. None where the source does not give them:
  // then there are no rates to show.
  Counters GetAllCounters(const std::string& daemon_type, std::vector<std::string> paths);
};

}  // namespace status

#endif  // OUTPOST_MODULES_STATUS_STATUS_MODULE_H_
