#include "outpost/module.h"

#include <cstdlib>

#include "absl/strings/str_join.h"
#include "outpost/internal/log_buffer.h"
#include "outpost/internal/manager_client.h"

namespace outpost {

Module::Module(ModuleInfo info)
    : info_(std::move(info)),
      log_buffer_(std::make_shared<internal::LogBuffer>()),
      log_(log_buffer_, ""),
      client_(std::make_unique<internal::ManagerClient>(info_.call_timeout, info_.work_timeout)) {
  methods_.Add("self_test", [this](const Json&, const Json&) -> absl::StatusOr<Json> {
    absl::StatusOr<std::string> text = SelfTest();
    if (!text.ok()) return text.status();
    return Json(*std::move(text));
  });
}

Module::~Module() = default;

absl::Status Module::Serve(ServeContext&) { return absl::OkStatus(); }
void Module::Notify(const Notification&) {}
void Module::ConfigChanged(const std::vector<std::string>&) {}

std::string Module::Name() const { return client_->identity().module; }
std::string Module::MgrId() const { return client_->identity().manager_id; }
std::string Module::Version() const { return client_->identity().manager_version; }
std::string Module::ReleaseName() const { return client_->identity().cluster_release; }
std::string Module::MgrIp() const { return client_->identity().manager_ip; }
std::string Module::ClusterId() const { return client_->identity().cluster_id; }

absl::StatusOr<StructureRef> Module::Get(absl::string_view name) {
  return client_->cluster().Get(name);
}
absl::StatusOr<StructureRef> Module::GetPart(absl::string_view name, absl::string_view pointer,
                                             const std::vector<std::string>& fields) {
  return client_->cluster().GetPart(name, pointer, fields);
}
absl::StatusOr<std::vector<StructureInfo>> Module::ListStructures() {
  return client_->cluster().ListStructures();
}
absl::StatusOr<bool> Module::HaveMonConnection() { return client_->cluster().HaveMonConnection(); }
absl::StatusOr<Server> Module::GetServer(absl::string_view hostname) {
  return client_->cluster().GetServer(hostname);
}
absl::StatusOr<std::vector<Server>> Module::ListServers() {
  return client_->cluster().ListServers();
}
absl::StatusOr<ManagerStatus> Module::GetManagerStatus() {
  return client_->facts().GetManagerStatus();
}
absl::StatusOr<std::vector<ModuleStatus>> Module::ListModules() {
  return client_->facts().ListModules();
}
absl::StatusOr<std::vector<SubscriptionStatus>> Module::ListSubscriptions() {
  return client_->facts().ListSubscriptions();
}
absl::StatusOr<std::map<std::string, std::string>> Module::GetMetadata(absl::string_view type,
                                                                       absl::string_view id) {
  return client_->cluster().GetMetadata({std::string(type), std::string(id)});
}
absl::StatusOr<std::map<std::string, std::string>> Module::GetDaemonStatus(absl::string_view type,
                                                                           absl::string_view id) {
  return client_->cluster().GetDaemonStatus({std::string(type), std::string(id)});
}
absl::StatusOr<std::vector<CounterSchema>> Module::GetPerfSchema(const Daemon& daemon) {
  return client_->cluster().GetPerfSchema(daemon);
}
absl::StatusOr<std::vector<CounterSeries>> Module::GetCounters(const CounterQuery& query) {
  return client_->cluster().GetCounters(query);
}
absl::StatusOr<std::vector<DaemonHealth>> Module::GetDaemonHealthMetrics(const Daemon& daemon) {
  return client_->cluster().GetDaemonHealthMetrics(daemon);
}

absl::Status Module::UndeclaredOption(absl::string_view name) const {
  std::vector<absl::string_view> names;
  for (const auto& declaration : options_.declarations()) names.push_back(declaration.name);
  return absl::NotFoundError(
      absl::StrCat("option ", name,
                   " is not declared by this module (it has: ", absl::StrJoin(names, ", "), ")"));
}

absl::Status Module::SetOptionText(absl::string_view name, std::string value, bool localized) {
  if (options_.Find(name) == nullptr) return UndeclaredOption(name);
  return client_->state().SetOption(*options_.values(), name, std::move(value), localized);
}
absl::Status Module::RemoveOption(absl::string_view name) {
  if (options_.Find(name) == nullptr) return UndeclaredOption(name);
  return client_->state().SetOption(*options_.values(), name, std::nullopt, /*localized=*/false);
}
absl::Status Module::RemoveLocalizedOption(absl::string_view name) {
  if (options_.Find(name) == nullptr) return UndeclaredOption(name);
  return client_->state().SetOption(*options_.values(), name, std::nullopt, /*localized=*/true);
}
absl::StatusOr<std::optional<std::string>> Module::GetModuleOption(absl::string_view module,
                                                                   absl::string_view name) {
  return client_->state().GetOption(absl::StrCat("mgr/", module, "/", name));
}
absl::Status Module::SetModuleOption(absl::string_view module, absl::string_view name,
                                     const std::optional<std::string>& value) {
  return client_->state().SetOption(absl::StrCat("mgr/", module, "/", name), value);
}
absl::StatusOr<std::optional<std::string>> Module::GetClusterOption(absl::string_view entity,
                                                                    absl::string_view name) {
  return client_->state().GetClusterOption(entity, name);
}

absl::StatusOr<std::optional<std::string>> Module::GetStore(absl::string_view key) {
  return client_->state().GetStore(key);
}
absl::Status Module::SetStore(absl::string_view key, const std::optional<std::string>& value) {
  return client_->state().SetStore(key, value);
}
absl::StatusOr<std::map<std::string, std::string>> Module::GetStorePrefix(
    absl::string_view prefix) {
  return client_->state().GetStorePrefix(prefix);
}
absl::StatusOr<std::optional<std::string>> Module::GetLocalizedStore(absl::string_view key) {
  auto localized = GetStore(absl::StrCat(MgrId(), "/", key));
  if (!localized.ok() || localized->has_value()) return localized;
  return GetStore(key);
}
absl::Status Module::SetLocalizedStore(absl::string_view key,
                                       const std::optional<std::string>& value) {
  return SetStore(absl::StrCat(MgrId(), "/", key), value);
}
absl::Status Module::Apply(const StoreBatch& batch) { return client_->state().Apply(batch); }

absl::StatusOr<Watch> Module::WatchOptions(absl::string_view module,
                                           std::function<void(const OptionChange&)> callback) {
  return client_->watches().Options(module, std::move(callback));
}
absl::StatusOr<Watch> Module::WatchStore(absl::string_view prefix,
                                         std::function<void(const StoreChange&)> callback) {
  return client_->watches().Store(prefix, std::move(callback));
}

absl::StatusOr<Json> Module::Remote(absl::string_view module, absl::string_view method,
                                    const Json& args, const Json& kwargs) {
  return client_->calls().Remote(module, method, args, kwargs);
}

std::future<absl::StatusOr<CommandResult>> Module::SendCommand(const ClusterCommand& command) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<CommandResult>>>();
  std::future<absl::StatusOr<CommandResult>> future = promise->get_future();
  client_->calls().Send(command, [promise](absl::StatusOr<CommandResult> result) {
    promise->set_value(std::move(result));
  });
  return future;
}
void Module::SendCommand(const ClusterCommand& command,
                         std::function<void(absl::StatusOr<CommandResult>)> callback) {
  client_->calls().Send(command, [this, callback = std::move(callback)](
                                     absl::StatusOr<CommandResult> result) mutable {
    client_->calls().RunOnEventThread(
        [callback = std::move(callback), result = std::move(result)]() mutable {
          callback(std::move(result));
        });
  });
}
absl::StatusOr<CommandResult> Module::TellCommand(absl::string_view type, absl::string_view id,
                                                  Json command, std::string inbuf) {
  return client_->calls().Command({.service_type = std::string(type),
                                   .service_id = std::string(id),
                                   .command = std::move(command),
                                   .inbuf = std::move(inbuf),
                                   .timeout = info_.call_timeout});
}
absl::StatusOr<CommandResult> Module::OsdCommand(int osd, Json command, std::string inbuf) {
  return TellCommand("osd", absl::StrCat(osd), std::move(command), std::move(inbuf));
}
absl::StatusOr<CommandResult> Module::MonCommand(Json command, std::string inbuf) {
  return TellCommand("mon", "", std::move(command), std::move(inbuf));
}
absl::StatusOr<CommandResult> Module::CheckMonCommand(Json command, std::string inbuf) {
  const std::string prefix = command.is_object() ? command.value("prefix", "") : "";
  absl::StatusOr<CommandResult> result = MonCommand(std::move(command), std::move(inbuf));
  if (!result.ok() || result->retval == 0) return result;
  return WithErrno(absl::UnknownError(
                       absl::StrCat(prefix, " failed: ", result->err, " retval: ", result->retval)),
                   std::abs(result->retval));
}

void Module::ClusterLog(absl::string_view channel, LogLevel level, absl::string_view text) const {
  log_buffer_->AppendToChannel(channel, level, text);
}

absl::Status Module::SetHealthChecks(const std::vector<HealthCheck>& checks) {
  return client_->reports().SetHealthChecks(checks);
}
absl::Status Module::UpdateProgress(const ProgressEvent& event) {
  return client_->reports().UpdateProgress(event);
}
absl::Status Module::CompleteProgress(absl::string_view id) {
  return client_->reports().CompleteProgress(id);
}
absl::Status Module::ClearProgress() { return client_->reports().ClearProgress(); }
absl::StatusOr<bool> Module::IsAuthorized(
    const std::map<std::string, std::string>& arguments) const {
  return client_->reports().IsAuthorized(arguments);
}
absl::Status Module::SetUri(absl::string_view uri) { return client_->reports().SetUri(uri); }

}  // namespace outpost
