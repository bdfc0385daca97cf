#include "outpost/internal/facts_client.h"

#include <numeric>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "outpost/internal/manager_stubs.h"
#include "outpost/internal/wire.h"

namespace outpost {

uint64_t Latencies::count() const {
  return std::accumulate(buckets.begin(), buckets.end(), uint64_t{0},
                         [](uint64_t sum, const Bucket& bucket) { return sum + bucket.count; });
}

namespace internal {
namespace {

using internal::FromProto;  // not hidden by those here

ProcessUsage FromProto(const v1::ModuleUsage& usage) {
  return {.rss_bytes = usage.rss_bytes(),
          .cpu = absl::Seconds(usage.cpu_seconds()),
          .threads = usage.threads(),
          .open_files = usage.open_files()};
}

Latencies FromProto(const v1::LatencyHistogram& histogram) {
  Latencies latencies{.sum = absl::Seconds(histogram.sum_seconds()), .buckets = {}};
  latencies.buckets.reserve(histogram.counts_size());
  for (int i = 0; i < histogram.counts_size(); ++i) {
    latencies.buckets.push_back({.bound = i < histogram.bounds_size()
                                              ? absl::Seconds(histogram.bounds(i))
                                              : absl::InfiniteDuration(),
                                 .count = histogram.counts(i)});
  }
  return latencies;
}

RequestStats FromProto(const v1::RequestStats& stats) {
  return {.succeeded = stats.succeeded(),
          .failed = stats.failed(),
          .timed_out = stats.timed_out(),
          .cancelled = stats.cancelled(),
          .lost = stats.lost(),
          .refused = stats.refused(),
          .latency = FromProto(stats.latency())};
}

StoreStats FromProto(const v1::StoreStats& store) {
  return {.writes = store.writes(),
          .failed_writes = store.failed_writes(),
          .commits = FromProto(store.commits()),
          .queued_writes = store.queued_writes(),
          .queued_bytes = store.queued_bytes(),
          .keys = store.keys()};
}

// MODULE_STATE_CANNOT_RUN is "cannot run".
std::string StateName(v1::ModuleState state) {
  const std::string& name = v1::ModuleState_Name(state);
  return absl::AsciiStrToLower(
      absl::StrReplaceAll(absl::StripPrefix(name, "MODULE_STATE_"), {{"_", " "}}));
}

ModuleStatus FromProto(const v1::ModuleInfo& info) {
  ModuleStatus module;
  module.name = info.name();
  module.state = StateName(info.state());
  module.reason = info.reason();
  module.enabled = info.enabled();
  module.pid = info.pid();
  if (info.has_attached()) module.attached = FromProto(info.attached());
  module.restarts = info.restarts();
  module.last_exit = info.last_exit();
  module.uri = info.uri();
  module.in_flight = info.in_flight();
  module.waiting = info.waiting();
  if (info.has_usage()) module.usage = FromProto(info.usage());
  module.commands = FromProto(info.commands());
  module.calls = FromProto(info.calls());
  return module;
}

}  // namespace

absl::StatusOr<ManagerStatus> FactsClient::GetManagerStatus() {
  v1::GetStatusResponse response;
  absl::Status status =
      CallManager(connection_, &ManagerStubs::manager, &v1::Manager::Stub::GetStatus,
                  v1::GetStatusRequest(), &response);
  if (!status.ok()) return status;
  const v1::ManagerStats& stats = response.stats();
  ManagerStatus manager;
  manager.manager_id = response.manager_id();
  manager.instance = response.instance();
  manager.version = response.version();
  manager.started = FromProto(response.started());
  manager.source = response.source();
  manager.cluster_connected = response.cluster_connected();
  manager.modules = {response.modules().begin(), response.modules().end()};
  manager.usage = FromProto(stats.usage());
  manager.sessions = stats.sessions();
  manager.rpcs_started = stats.rpcs_started();
  manager.rpcs_succeeded = stats.rpcs_succeeded();
  manager.rpcs_failed = stats.rpcs_failed();
  for (const auto& [whose, of] : stats.commands()) manager.commands[whose] = FromProto(of);
  manager.invalid_commands = stats.invalid_commands();
  manager.store = FromProto(stats.store());
  return manager;
}

absl::StatusOr<std::vector<ModuleStatus>> FactsClient::ListModules() {
  v1::ListModulesResponse response;
  absl::Status status =
      CallManager(connection_, &ManagerStubs::manager, &v1::Manager::Stub::ListModules,
                  v1::ListModulesRequest(), &response);
  if (!status.ok()) return status;
  std::vector<ModuleStatus> modules;
  modules.reserve(response.modules_size());
  for (const v1::ModuleInfo& info : response.modules()) modules.push_back(FromProto(info));
  return modules;
}

absl::StatusOr<std::vector<SubscriptionStatus>> FactsClient::ListSubscriptions() {
  v1::ListSubscriptionsResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::notifications,
                                    &v1::Notifications::Stub::ListSubscriptions,
                                    v1::ListSubscriptionsRequest(), &response);
  if (!status.ok()) return status;
  std::vector<SubscriptionStatus> subscriptions;
  subscriptions.reserve(response.subscriptions_size());
  for (const v1::SubscriptionInfo& info : response.subscriptions()) {
    subscriptions.push_back({.subscription_id = info.subscription_id(),
                             .owner = info.owner(),
                             .types = {info.types().begin(), info.types().end()},
                             .waiting = info.waiting(),
                             .unacknowledged = info.unacknowledged(),
                             .sent = info.sent(),
                             .missed = info.missed(),
                             .coalesced = info.coalesced(),
                             .lag = FromProto(info.lag())});
  }
  return subscriptions;
}

}  // namespace internal
}  // namespace outpost
