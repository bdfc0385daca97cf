#include "outpost/module.h"

#include "absl/strings/str_join.h"
#include "outpost/internal/log_buffer.h"
#include "outpost/internal/manager_client.h"

namespace outpost {

Module::Module(ModuleInfo info)
    : info_(std::move(info)),
      log_buffer_(std::make_shared<internal::LogBuffer>()),
      log_(log_buffer_, ""),
      client_(std::make_unique<internal::ManagerClient>(info_.call_timeout, info_.work_timeout)) {}

Module::~Module() = default;

absl::Status Module::Serve(ServeContext&) { return absl::OkStatus(); }
void Module::Notify(const Notification&) {}
void Module::ConfigChanged(const std::vector<std::string>&) {}

std::string Module::Name() const { return client_->identity().module; }
std::string Module::MgrId() const { return client_->identity().manager_id; }

absl::StatusOr<StructureRef> Module::Get(absl::string_view name) { return client_->Get(name); }
absl::StatusOr<StructureRef> Module::GetPart(absl::string_view name, absl::string_view pointer) {
  return client_->GetPart(name, pointer);
}
absl::StatusOr<bool> Module::HaveMonConnection() { return client_->HaveMonConnection(); }
absl::StatusOr<Server> Module::GetServer(absl::string_view hostname) {
  return client_->GetServer(hostname);
}
absl::StatusOr<std::vector<Server>> Module::ListServers() { return client_->ListServers(); }
absl::StatusOr<std::map<std::string, std::string>> Module::GetMetadata(absl::string_view type,
                                                                       absl::string_view id) {
  return client_->GetMetadata({std::string(type), std::string(id)});
}
absl::StatusOr<std::map<std::string, std::string>> Module::GetDaemonStatus(absl::string_view type,
                                                                           absl::string_view id) {
  return client_->GetDaemonStatus({std::string(type), std::string(id)});
}
absl::StatusOr<std::vector<CounterSchema>> Module::GetPerfSchema(const Daemon& daemon) {
  return client_->GetPerfSchema(daemon);
}
absl::StatusOr<std::vector<CounterSeries>> Module::GetCounters(const CounterQuery& query) {
  return client_->GetCounters(query);
}
absl::StatusOr<std::vector<DaemonHealth>> Module::GetDaemonHealthMetrics(const Daemon& daemon) {
  return client_->GetDaemonHealthMetrics(daemon);
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
  return client_->SetOption(*options_.values(), name, std::move(value), localized);
}
absl::Status Module::RemoveOption(absl::string_view name) {
  if (options_.Find(name) == nullptr) return UndeclaredOption(name);
  return client_->SetOption(*options_.values(), name, std::nullopt, /*localized=*/false);
}
absl::Status Module::RemoveLocalizedOption(absl::string_view name) {
  if (options_.Find(name) == nullptr) return UndeclaredOption(name);
  return client_->SetOption(*options_.values(), name, std::nullopt, /*localized=*/true);
}
absl::StatusOr<std::optional<std::string>> Module::GetModuleOption(absl::string_view module,
                                                                   absl::string_view name) {
  return client_->GetOption(absl::StrCat("mgr/", module, "/", name));
}
absl::StatusOr<std::optional<std::string>> Module::GetClusterOption(absl::string_view entity,
                                                                    absl::string_view name) {
  return client_->GetClusterOption(entity, name);
}

absl::StatusOr<std::optional<std::string>> Module::GetStore(absl::string_view key) {
  return client_->GetStore(key);
}
absl::Status Module::SetStore(absl::string_view key, const std::optional<std::string>& value) {
  return client_->SetStore(key, value);
}
absl::StatusOr<std::map<std::string, std::string>> Module::GetStorePrefix(
    absl::string_view prefix) {
  return client_->GetStorePrefix(prefix);
}
absl::Status Module::Apply(const StoreBatch& batch) { return client_->Apply(batch); }

absl::StatusOr<Json> Module::Remote(absl::string_view module, absl::string_view method,
                                    const Json& args, const Json& kwargs) {
  return client_->Remote(module, method, args, kwargs);
}

std::future<absl::StatusOr<CommandResult>> Module::SendCommand(const ClusterCommand& command) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<CommandResult>>>();
  std::future<absl::StatusOr<CommandResult>> future = promise->get_future();
  client_->SendCommand(command, [promise](absl::StatusOr<CommandResult> result) {
    promise->set_value(std::move(result));
  });
  return future;
}
void Module::SendCommand(const ClusterCommand& command,
                         std::function<void(absl::StatusOr<CommandResult>)> callback) {
  client_->SendCommand(command, [this, callback = std::move(callback)](
                                    absl::StatusOr<CommandResult> result) mutable {
    client_->RunOnEventThread(
        [callback = std::move(callback), result = std::move(result)]() mutable {
          callback(std::move(result));
        });
  });
}
absl::StatusOr<CommandResult> Module::MonCommand(Json command, std::string inbuf) {
  return SendCommand({.command = std::move(command),
                      .inbuf = std::move(inbuf),
                      .timeout = info_.call_timeout})
      .get();
}

void Module::ClusterLog(absl::string_view channel, LogLevel level, absl::string_view text) const {
  log_buffer_->Append(level, absl::StrCat("clog.", channel), text);
}

absl::Status Module::SetHealthChecks(const std::vector<HealthCheck>& checks) {
  return client_->SetHealthChecks(checks);
}

}  // namespace outpost
