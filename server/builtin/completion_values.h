// CompletionValues knows what could be typed for parameters whose signatures do not list
// their values: modules, options and their values, keys, pools, OSDs, structures.
//
// **Thread safety.** Any thread.
#ifndef OUTPOST_SERVER_BUILTIN_COMPLETION_VALUES_H_
#define OUTPOST_SERVER_BUILTIN_COMPLETION_VALUES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/builtin/builtin_commands.h"
#include "server/command/command_table.h"

namespace outpost::builtin {

class CompletionValues {
 public:
  using Candidates = std::vector<command::CompletionCandidate>;

  // What `subjects` point to outlives it.
  explicit CompletionValues(const Subjects& subjects) : s_(subjects) {}

  // The values that `param` of `command` may have, as far as they are known; `given` are the
  // words after the command's literal ones.
  Candidates Of(const command::Command& command, const command::Param& param,
                const std::vector<std::string>& given) const;

 private:
  Candidates Modules() const;
  Candidates Managers() const;
  Candidates Options() const;
  // Of the option that is among `given`.
  Candidates ValuesOfOption(const std::vector<std::string>& given) const;
  Candidates Keys() const;
  Candidates Structures() const;
  Candidates Daemons() const;
  Candidates Counters(const std::vector<std::string>& given) const;
  Candidates Reporters() const;
  Candidates HealthChecks() const;
  Candidates Pools() const;
  Candidates Osds() const;
  void ReadOsdMap() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Subjects s_;
  mutable absl::Mutex mu_;
  // Read from the version `read_` of the OSD map: it may have megabytes.
  mutable uint64_t read_ ABSL_GUARDED_BY(mu_) = 0;
  mutable Candidates pools_ ABSL_GUARDED_BY(mu_);
  mutable Candidates osds_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_COMPLETION_VALUES_H_
