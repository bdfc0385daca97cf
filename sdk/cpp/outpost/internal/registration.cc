#include "outpost/internal/registration.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "outpost/internal/utf8.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {
namespace {

// Requests that wait here while the workers are busy: one that was cancelled, or
// whose caller's time is over, before a worker takes it is not run.
constexpr uint32_t kPrefetch = 16;

constexpr uint32_t kProtocolVersion = 1;

}  // namespace

v1::Register MakeRegistration(const ModuleInfo& info, const CommandSet& commands,
                              const OptionSet& options, const MethodSet& methods, bool has_serve,
                              const absl::Status& can_run) {
  v1::Register r;
  r.add_protocol_versions(kProtocolVersion);
  r.set_sdk(absl::StrCat("outpost-cpp 0.1.0 (g++ ", __VERSION__, ")"));
  r.set_version(info.version);
  for (const Command& command : commands.commands()) {
    v1::CommandDescriptor* descriptor = r.add_commands();
    descriptor->set_signature(command.signature);
    descriptor->set_description(command.description);
    descriptor->set_permissions(command.permissions);
    descriptor->set_poll(command.poll);
  }
  for (const OptionDeclaration& option : options.declarations()) *r.add_options() = ToProto(option);
  for (const std::string& type : info.notify_types) r.add_notify_types(type);
  r.set_can_run(can_run.ok());
  r.set_can_run_error(ToUtf8(can_run.message()));
  r.set_standby_capable(info.standby_capable);
  r.set_max_concurrency(std::max(1U, info.max_concurrency));
  r.set_prefetch(kPrefetch);
  r.set_pid(getpid());
  for (const auto& [name, handler] : methods.methods()) r.add_methods(name);
  r.set_has_serve(has_serve);
  return r;
}

Identity IdentityOf(const std::string& module, const v1::Configure& configure) {
  return {.module = module,
          .session_key = configure.session_key(),
          .manager_id = configure.manager_id(),
          .manager_instance = configure.manager_instance(),
          .manager_version = configure.manager_version(),
          .manager_ip = configure.manager_ip(),
          .cluster_id = configure.cluster_id(),
          .cluster_release = configure.cluster_release(),
          .log_file = configure.log_file()};
}

}  // namespace outpost::internal
