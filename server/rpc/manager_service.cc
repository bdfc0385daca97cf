#include "server/rpc/manager_service.h"

#include <unistd.h>

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"
#include "server/metrics/metrics_proto.h"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"
#include "server/rpc/refused_stream.h"
#include "server/rpc/rpc_counts.h"
#include "server/rpc/tail_events.h"
#include "server/rpc/tail_log.h"
#include "server/text/nearest.h"

namespace outpost::rpc {
namespace {

constexpr absl::Duration kDefaultWait = absl::Seconds(10);

template <typename Request>
absl::Duration WaitOf(const Request& request) {
  if (!request.has_wait()) return kDefaultWait;
  return event::FromProto(request.wait());
}

// Ends a call with the module as it is then.
template <typename Response>
module::Supervisor::ModuleInfoCallback FinishWith(grpc::ServerUnaryReactor* reactor,
                                                  Response* response) {
  return [reactor, response](absl::StatusOr<v1::ModuleInfo> module) {
    const absl::Status status = module.status();
    if (module.ok()) *response->mutable_module() = *std::move(module);
    reactor->Finish(ToGrpc(status));
  };
}

v1::StoreStats StoreStatsOf(const store::StateStore& store) {
  const store::StoreStats stats = store.stats();
  v1::StoreStats proto;
  proto.set_writes(stats.writes);
  proto.set_failed_writes(stats.failed_writes);
  *proto.mutable_commits() = metrics::ToProto(stats.commits);
  proto.set_queued_writes(stats.queued_batches);
  proto.set_queued_bytes(stats.queued_bytes);
  proto.set_keys(stats.keys);
  return proto;
}

}  // namespace

v1::ManagerStats ManagerService::Stats() const {
  v1::ManagerStats stats;
  if (const auto usage = metrics::ReadProcessUsage(getpid())) {
    *stats.mutable_usage() = metrics::ToProto(*usage);
  }
  const RpcCounts rpcs = CountRpcs();
  stats.set_rpcs_started(rpcs.started);
  stats.set_rpcs_succeeded(rpcs.succeeded);
  stats.set_rpcs_failed(rpcs.failed);
  using Kind = command::Provider::Kind;
  for (const auto& [name, kind] : {std::pair{"manager", Kind::kManager},
                                   {"module", Kind::kModule},
                                   {"cluster", Kind::kCluster}}) {
    (*stats.mutable_commands())[name] =
        metrics::ToProto(parts_.dispatcher->counters(kind).snapshot());
  }
  stats.set_invalid_commands(parts_.dispatcher->invalid_commands());
  *stats.mutable_store() = StoreStatsOf(*parts_.store);
  return stats;
}

grpc::ServerUnaryReactor* ManagerService::GetStatus(grpc::CallbackServerContext* context,
                                                    const v1::GetStatusRequest*,
                                                    v1::GetStatusResponse* response) {
  response->set_manager_id(parts_.manager_id);
  response->set_instance(parts_.instance);
  response->set_version(parts_.version);
  *response->mutable_started() =
      event::ToProto(event::WallTime(parts_.started, event::Moment::Now()));
  response->set_source(std::string(parts_.source->name()));
  response->set_cluster_connected(parts_.cluster->connection().connected);
  response->set_cluster_id(parts_.cluster->cluster_id());
  response->set_store(std::string(parts_.store->name()));
  response->set_health(parts_.health->Get().status);
  uint32_t sessions = 0;
  for (const auto& module : parts_.supervisor->List()) {
    ++(*response->mutable_modules())[module::StateName(module.state())];
    if (module.has_attached()) ++sessions;
  }
  *response->mutable_stats() = Stats();
  response->mutable_stats()->set_sessions(sessions);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ManagerService::ListManagers(grpc::CallbackServerContext* context,
                                                       const v1::ListManagersRequest*,
                                                       v1::ListManagersResponse*) {
  return FinishNow(context, NotYet("the managers of this cluster, and which is active"));
}

grpc::ServerUnaryReactor* ManagerService::FailManager(grpc::CallbackServerContext* context,
                                                      const v1::FailManagerRequest*,
                                                      v1::FailManagerResponse*) {
  return FinishNow(context, NotYet("handing over to a standby manager"));
}

grpc::ServerUnaryReactor* ManagerService::ListModules(grpc::CallbackServerContext* context,
                                                      const v1::ListModulesRequest*,
                                                      v1::ListModulesResponse* response) {
  for (auto& module : parts_.supervisor->ListWithUsage()) {
    *response->add_modules() = std::move(module);
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ManagerService::DescribeModule(grpc::CallbackServerContext* context,
                                                         const v1::DescribeModuleRequest* request,
                                                         v1::DescribeModuleResponse* response) {
  auto described = parts_.supervisor->Describe(request->name());
  if (!described.ok()) return FinishNow(context, described.status());
  *response = *std::move(described);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ManagerService::EnableModule(grpc::CallbackServerContext* context,
                                                       const v1::EnableModuleRequest* request,
                                                       v1::EnableModuleResponse* response) {
  response->set_already(parts_.supervisor->IsEnabled(request->name()));
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  parts_.supervisor->Enable(request->name(), CallerOf(*context).name, WaitOf(*request),
                            FinishWith(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* ManagerService::DisableModule(grpc::CallbackServerContext* context,
                                                        const v1::DisableModuleRequest* request,
                                                        v1::DisableModuleResponse* response) {
  response->set_already(!parts_.supervisor->IsEnabled(request->name()));
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  parts_.supervisor->Disable(request->name(), CallerOf(*context).name,
                             FinishWith(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* ManagerService::RestartModule(grpc::CallbackServerContext* context,
                                                        const v1::RestartModuleRequest* request,
                                                        v1::RestartModuleResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  parts_.supervisor->Restart(request->name(), CallerOf(*context).name, WaitOf(*request),
                             FinishWith(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* ManagerService::UpgradeModule(grpc::CallbackServerContext* context,
                                                        const v1::UpgradeModuleRequest* request,
                                                        v1::UpgradeModuleResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  parts_.supervisor->Upgrade(request->name(), request->path(), CallerOf(*context).name,
                             WaitOf(*request), FinishWith(reactor, response));
  return reactor;
}

absl::Status ManagerService::CheckLogSource(const std::string& name) const {
  // Others than modules: the manager's parts; "mgr.x" of the cluster log; and whoever has
  // written there ("user/admin"), or was a module once.
  std::set<std::string> known = parts_.log->Sources();
  for (std::string& component : log::Components()) known.insert(std::move(component));
  known.insert(absl::StrCat("mgr.", parts_.manager_id));
  for (const v1::ModuleInfo& module : parts_.supervisor->List()) known.insert(module.name());
  if (known.contains(name)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(
      "there is no module '", name, "', and nobody else of that name has written to the log",
      text::DidYouMean(text::Nearest(name, {known.begin(), known.end()}, 1))));
}

grpc::ServerWriteReactor<v1::TailLogResponse>* ManagerService::TailLog(
    grpc::CallbackServerContext* context, const v1::TailLogRequest* request) {
  if (const absl::Status refused = Admit(*context); !refused.ok()) {
    return TooManyStreams<grpc::ServerWriteReactor<v1::TailLogResponse>>(refused);
  }
  if (!request->module().empty()) {
    if (absl::Status status = CheckLogSource(request->module()); !status.ok()) {
      return new RefusedStream<v1::TailLogResponse>(status);
    }
  }
  return rpc::TailLog(parts_.log, *request);
}

grpc::ServerUnaryReactor* ManagerService::SetUri(grpc::CallbackServerContext* context,
                                                 const v1::SetUriRequest* request,
                                                 v1::SetUriResponse*) {
  const absl::StatusOr<std::string> module =
      CallingModule(*context, "where it serves is said by a module");
  if (!module.ok()) return FinishNow(context, module.status());
  return FinishNow(context, parts_.supervisor->SetUri(*module, request->uri()));
}

absl::Status ManagerService::CheckEventSource(const std::string& name) const {
  // A module that was started by hand is forgotten when it ends; its events are not.
  uint64_t none = 0;
  uint64_t first = 0;
  if (parts_.events->Read(&first, name, &none) != nullptr) return absl::OkStatus();
  std::vector<std::string> known;
  for (const v1::ModuleInfo& module : parts_.supervisor->List()) {
    if (module.name() == name) return absl::OkStatus();
    known.push_back(module.name());
  }
  return absl::NotFoundError(absl::StrCat("there is no module '", name, "', nor an event of one",
                                          text::DidYouMean(text::Nearest(name, known, 1))));
}

grpc::ServerWriteReactor<v1::TailEventsResponse>* ManagerService::TailEvents(
    grpc::CallbackServerContext* context, const v1::TailEventsRequest* request) {
  if (const absl::Status refused = Admit(*context); !refused.ok()) {
    return TooManyStreams<grpc::ServerWriteReactor<v1::TailEventsResponse>>(refused);
  }
  if (!request->module().empty()) {
    if (absl::Status status = CheckEventSource(request->module()); !status.ok()) {
      return new RefusedStream<v1::TailEventsResponse>(status);
    }
  }
  return rpc::TailEvents(parts_.events, *request);
}

}  // namespace outpost::rpc
