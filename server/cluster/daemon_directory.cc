#include "server/cluster/daemon_directory.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace outpost::cluster {
namespace {

using nlohmann::json;

constexpr absl::string_view kMetadata = "_metadata";

json Parse(const Snapshot& snapshot) {
  return json::parse(snapshot.json.begin(), snapshot.json.end(), nullptr,
                     /*allow_exceptions=*/false);
}

DaemonDirectory::Fields FieldsOf(const json& object) {
  DaemonDirectory::Fields fields;
  if (!object.is_object()) return fields;
  for (const auto& [key, value] : object.items()) {
    fields[key] = value.is_string() ? value.get<std::string>()
                                    : value.dump(-1, ' ', false, json::error_handler_t::replace);
  }
  return fields;
}

// The member `key` of an object; null where there is none.
const json& Member(const json& object, const char* key) {
  static const json* const null = new json;
  const auto member = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && member != object.end() ? *member : *null;
}

std::string FieldOr(const DaemonDirectory::Fields& fields, const std::string& key) {
  const auto field = fields.find(key);
  return field == fields.end() ? "" : field->second;
}

}  // namespace

void DaemonDirectory::Refresh() {
  bool changed = false;
  for (const ClusterState::Entry& entry : state_->List()) {
    const SnapshotPtr& snapshot = entry.snapshot;
    const bool metadata = absl::EndsWith(snapshot->name, kMetadata);
    if (!metadata && snapshot->name != "service_map") continue;
    Source& source = sources_[snapshot->name];
    if (source.version == snapshot->version) continue;
    source.version = snapshot->version;
    source.daemons.clear();
    changed = true;
    const json structure = Parse(*snapshot);
    if (metadata && structure.is_object()) {
      const std::string type(absl::StripSuffix(snapshot->name, kMetadata));
      for (const auto& [id, value] : structure.items()) {
        source.daemons[{type, id}].metadata = FieldsOf(value);
      }
      continue;
    }
    const json& services = Member(structure, "services");
    if (!services.is_object()) continue;
    for (const auto& [type, service] : services.items()) {
      const json& daemons = Member(service, "daemons");
      if (!daemons.is_object()) continue;
      for (const auto& [id, value] : daemons.items()) {
        if (!value.is_object()) continue;  // "summary"
        source.daemons[{type, id}] = {.metadata = FieldsOf(Member(value, "metadata")),
                                      .status = FieldsOf(Member(value, "task_status"))};
      }
    }
  }
  absl::MutexLock lock(&reported_mu_);
  if (!changed && servers_of_ == reports_) return;
  servers_of_ = reports_;
  servers_.clear();
  const auto add = [this](const Daemons::value_type& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto& [key, daemon] = entry;
    const std::string hostname = FieldOr(daemon.metadata, "hostname");
    if (hostname.empty()) return;
    v1::ServerInfo& server = servers_[hostname];
    server.set_hostname(hostname);
    if (server.version().empty()) server.set_version(FieldOr(daemon.metadata, "ceph_version"));
    v1::DaemonName& service = *server.add_services();
    service.set_type(key.first);
    service.set_id(key.second);
  };
  for (const auto& [name, source] : sources_) {
    for (const auto& daemon : source.daemons) {
      if (!reported_.contains(daemon.first)) add(daemon);
    }
  }
  for (const auto& daemon : reported_) add(daemon);
}

const DaemonDirectory::Daemon* DaemonDirectory::Find(const std::string& type,
                                                     const std::string& id) {
  Refresh();
  for (const auto& [name, source] : sources_) {
    const auto daemon = source.daemons.find({type, id});
    if (daemon != source.daemons.end()) return &daemon->second;
  }
  return nullptr;
}

std::optional<DaemonDirectory::Daemon> DaemonDirectory::Lookup(const std::string& type,
                                                               const std::string& id) {
  {
    absl::MutexLock lock(&reported_mu_);
    const auto daemon = reported_.find({type, id});
    if (daemon != reported_.end()) return daemon->second;
  }
  absl::MutexLock lock(&mu_);
  const Daemon* const daemon = Find(type, id);
  if (daemon == nullptr) return std::nullopt;
  return *daemon;
}

absl::StatusOr<DaemonDirectory::Fields> DaemonDirectory::Metadata(const std::string& type,
                                                                  const std::string& id) {
  std::optional<Daemon> daemon = Lookup(type, id);
  if (daemon.has_value()) return std::move(daemon->metadata);
  return absl::NotFoundError(absl::StrCat("there is no metadata of ", type, ".", id));
}

absl::StatusOr<DaemonDirectory::Fields> DaemonDirectory::Status(const std::string& type,
                                                                const std::string& id) {
  std::optional<Daemon> daemon = Lookup(type, id);
  if (daemon.has_value()) return std::move(daemon->status);
  return absl::NotFoundError(absl::StrCat("there is no status of ", type, ".", id));
}

void DaemonDirectory::SetReported(const std::string& type, const std::string& id, Fields metadata,
                                  Fields status) {
  absl::MutexLock lock(&reported_mu_);
  const auto [entry, is_new] = reported_.try_emplace({type, id});
  Daemon& daemon = entry->second;
  const bool moved = is_new ||
                     FieldOr(daemon.metadata, "hostname") != FieldOr(metadata, "hostname") ||
                     FieldOr(daemon.metadata, "ceph_version") != FieldOr(metadata, "ceph_version");
  if (moved) ++reports_;
  daemon = {.metadata = std::move(metadata), .status = std::move(status)};
}

void DaemonDirectory::RemoveReported(const std::string& type, const std::string& id) {
  absl::MutexLock lock(&reported_mu_);
  if (reported_.erase({type, id}) > 0) ++reports_;
}

bool DaemonDirectory::InStructures(const std::string& type, const std::string& id) {
  absl::MutexLock lock(&mu_);
  return Find(type, id) != nullptr;
}

absl::StatusOr<v1::ServerInfo> DaemonDirectory::Server(const std::string& hostname) {
  absl::MutexLock lock(&mu_);
  Refresh();
  const auto server = servers_.find(hostname);
  if (server != servers_.end()) return server->second;
  return absl::NotFoundError(absl::StrCat("no daemon runs on a host \"", hostname, "\""));
}

std::vector<v1::ServerInfo> DaemonDirectory::Servers() {
  std::vector<v1::ServerInfo> servers;
  absl::MutexLock lock(&mu_);
  Refresh();
  servers.reserve(servers_.size());
  for (const auto& [hostname, server] : servers_) servers.push_back(server);
  return servers;
}

}  // namespace outpost::cluster
