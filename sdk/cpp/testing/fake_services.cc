#include "sdk/cpp/testing/fake_services.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "outpost/internal/wire.h"
#include "outpost/v1/cluster.grpc.pb.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "outpost/v1/config.grpc.pb.h"
#include "outpost/v1/health.grpc.pb.h"
#include "outpost/v1/key_value.grpc.pb.h"
#include "outpost/v1/remote.grpc.pb.h"
#include "sdk/cpp/testing/fake_streams.h"

namespace outpost::testing {
namespace {

using Context = grpc::CallbackServerContext;

grpc::ServerUnaryReactor* Answer(Context* context, const grpc::Status& status = grpc::Status::OK) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

grpc::Status NotFound(const std::string& what) {
  return grpc::Status(grpc::StatusCode::NOT_FOUND, what);
}

// Calls of a module carry its session key; a wrong one is the SDK's mistake.
grpc::Status CheckSession(const Context* context, FakeState* state)
    ABSL_SHARED_LOCKS_REQUIRED(state->mu) {
  const auto range = context->client_metadata().equal_range("outpost-session");
  for (auto it = range.first; it != range.second; ++it) {
    if (std::string(it->second.data(), it->second.size()) == state->session_key()) {
      return grpc::Status::OK;
    }
  }
  return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "no session has this key");
}

class FakeCluster final : public v1::Cluster::CallbackService {
 public:
  explicit FakeCluster(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Get(Context* context, const v1::ClusterGetRequest* request,
                                v1::ClusterGetResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = CheckSession(context, state_); !status.ok()) return Answer(context, status);
    const auto it = state_->structures.find(request->name());
    if (it == state_->structures.end()) {
      return Answer(context, NotFound(absl::StrCat("there is no structure ", request->name())));
    }
    response->set_name(request->name());
    response->set_version(it->second.version);
    if (!request->path().empty()) {
      const Json whole = Json::parse(it->second.json);
      const Json::json_pointer pointer(request->path());
      if (!whole.contains(pointer)) {
        return Answer(context,
                      NotFound(absl::StrCat(request->name(), " has no ", request->path())));
      }
      response->set_json(whole.at(pointer).dump());
    } else if (request->if_newer_than() >= it->second.version) {
      ++state_->unchanged_reads;
      response->set_unchanged(true);
    } else {
      ++state_->whole_reads;
      response->set_json(it->second.json);
    }
    return Answer(context);
  }

  grpc::ServerUnaryReactor* List(Context* context, const v1::ClusterListRequest*,
                                 v1::ClusterListResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    for (const auto& [name, structure] : state_->structures) {
      auto* info = response->add_structures();
      info->set_name(name);
      info->set_version(structure.version);
      info->set_size(structure.json.size());
    }
    response->set_connected(true);
    response->set_source("fake");
    return Answer(context);
  }

  grpc::ServerUnaryReactor* ListServers(Context* context, const v1::ListServersRequest*,
                                        v1::ListServersResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    std::map<std::string, v1::ServerInfo> servers;
    for (const auto& [daemon, metadata] : state_->metadata) {
      const auto it = metadata.find("hostname");
      if (it == metadata.end()) continue;
      v1::ServerInfo& server = servers[it->second];
      server.set_hostname(it->second);
      *server.add_services() = internal::ToProto(Daemon{daemon.first, daemon.second});
    }
    for (const auto& [name, server] : servers) *response->add_servers() = server;
    return Answer(context);
  }

  grpc::ServerUnaryReactor* GetMetadata(Context* context, const v1::GetMetadataRequest* request,
                                        v1::GetMetadataResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    const auto it = state_->metadata.find({request->daemon().type(), request->daemon().id()});
    if (it == state_->metadata.end()) {
      return Answer(context, NotFound(absl::StrCat("there is no daemon ", request->daemon().type(),
                                                   ".", request->daemon().id())));
    }
    response->mutable_metadata()->insert(it->second.begin(), it->second.end());
    return Answer(context);
  }

  grpc::ServerUnaryReactor* GetCounters(Context* context, const v1::GetCountersRequest* request,
                                        v1::GetCountersResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    const auto wanted = [request](const v1::CounterSeries& series) {
      const v1::DaemonName& daemon = request->daemon();
      if (!daemon.type().empty() && daemon.type() != series.daemon().type()) return false;
      if (!daemon.id().empty() && daemon.id() != series.daemon().id()) return false;
      for (const std::string& path : request->paths()) {
        if (path == series.path()) return true;
      }
      return request->paths().empty();
    };
    for (const v1::CounterSeries& series : state_->counters) {
      if (wanted(series)) *response->add_series() = series;
    }
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

class FakeConfig final : public v1::Config::CallbackService {
 public:
  explicit FakeConfig(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Get(Context* context, const v1::ConfigGetRequest* request,
                                v1::ConfigGetResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    *response->mutable_option() = state_->OptionValueOf(OptionName(request->key()));
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Set(Context* context, const v1::ConfigSetRequest* request,
                                v1::ConfigSetResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = CheckSession(context, state_); !status.ok()) return Answer(context, status);
    const std::string name = OptionName(request->key());
    state_->options_set[name] = request->value();
    *response->mutable_option() = state_->OptionValueOf(name);
    state_->TellOption(name);
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Remove(Context* context, const v1::ConfigRemoveRequest* request,
                                   v1::ConfigRemoveResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = CheckSession(context, state_); !status.ok()) return Answer(context, status);
    const std::string name = OptionName(request->key());
    state_->options_set.erase(name);
    *response->mutable_option() = state_->OptionValueOf(name);
    state_->TellOption(name);
    return Answer(context);
  }

 private:
  // The fake has one layer: "mgr/<module>/<manager id>/<option>" is the option too.
  static std::string OptionName(const std::string& key) {
    return key.substr(key.find_last_of('/') + 1);
  }

  FakeState* const state_;
};

class FakeKeyValue final : public v1::KeyValue::CallbackService {
 public:
  explicit FakeKeyValue(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Get(Context* context, const v1::KeyValueGetRequest* request,
                                v1::KeyValueGetResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = CheckSession(context, state_); !status.ok()) return Answer(context, status);
    const auto it = state_->store.find(request->key());
    if (it != state_->store.end()) response->set_value(it->second);
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Put(Context* context, const v1::KeyValuePutRequest* request,
                                v1::KeyValuePutResponse*) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = CheckSession(context, state_); !status.ok()) return Answer(context, status);
    state_->store[request->key()] = request->value();
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Delete(Context* context, const v1::KeyValueDeleteRequest* request,
                                   v1::KeyValueDeleteResponse*) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = CheckSession(context, state_); !status.ok()) return Answer(context, status);
    state_->store.erase(request->key());
    return Answer(context);
  }

  grpc::ServerUnaryReactor* List(Context* context, const v1::KeyValueListRequest* request,
                                 v1::KeyValueListResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = CheckSession(context, state_); !status.ok()) return Answer(context, status);
    for (const auto& [key, value] : state_->store) {
      if (!absl::StartsWith(key, request->prefix())) continue;
      auto* entry = response->add_entries();
      entry->set_key(key);
      if (!request->keys_only()) entry->set_value(value);
    }
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Batch(Context* context, const v1::KeyValueBatchRequest* request,
                                  v1::KeyValueBatchResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = CheckSession(context, state_); !status.ok()) return Answer(context, status);
    for (const auto& condition : request->conditions()) {
      const auto it = state_->store.find(condition.key());
      const bool there = it != state_->store.end();
      if (there != condition.has_value() || (there && it->second != condition.value())) {
        response->set_failed_key(condition.key());
        return Answer(context);
      }
    }
    for (const auto& change : request->changes()) {
      if (change.has_value()) {
        state_->store[change.key()] = change.value();
      } else {
        state_->store.erase(change.key());
      }
    }
    response->set_succeeded(true);
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

class FakeHealth final : public v1::Health::CallbackService {
 public:
  explicit FakeHealth(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Set(Context* context, const v1::HealthSetRequest* request,
                                v1::HealthSetResponse*) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = CheckSession(context, state_); !status.ok()) return Answer(context, status);
    state_->health_checks.clear();
    for (const auto& check : request->checks()) state_->health_checks[check.code()] = check;
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

class FakeRemote final : public v1::Remote::CallbackService {
 public:
  explicit FakeRemote(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Call(Context* context, const v1::RemoteCallRequest* request,
                                 v1::RemoteCallResponse* response) override {
    FakeManager::RemoteHandler handler;
    {
      absl::MutexLock lock(&state_->mu);
      handler = state_->on_remote;
    }
    if (!handler) {
      return Answer(context, StatusWithReason(absl::FailedPreconditionError(absl::StrCat(
                                                  "module ", request->module(), " is not enabled")),
                                              "MODULE_NOT_ENABLED"));
    }
    absl::StatusOr<Json> result = handler(*request);
    if (result.ok()) {
      response->set_result_json(result->dump());
    } else {
      response->mutable_error()->set_kind("RAISED");
      response->mutable_error()->set_type(absl::StatusCodeToString(result.status().code()));
      response->mutable_error()->set_message(std::string(result.status().message()));
    }
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

class FakeCommands final : public v1::Commands::CallbackService {
 public:
  explicit FakeCommands(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* SendClusterCommand(Context* context,
                                               const v1::SendClusterCommandRequest* request,
                                               v1::SendClusterCommandResponse* response) override {
    FakeManager::ClusterCommandHandler handler;
    {
      absl::MutexLock lock(&state_->mu);
      handler = state_->on_cluster_command;
    }
    if (!handler) {
      return Answer(context, grpc::Status(grpc::StatusCode::UNAVAILABLE, "there is no cluster"));
    }
    *response->mutable_result() = internal::ToProto(handler(*request));
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> MakeFakeServices(FakeState* state) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<FakeModuleHost>(state));
  services.push_back(std::make_unique<FakeNotifications>(state));
  services.push_back(std::make_unique<FakeCluster>(state));
  services.push_back(std::make_unique<FakeConfig>(state));
  services.push_back(std::make_unique<FakeKeyValue>(state));
  services.push_back(std::make_unique<FakeHealth>(state));
  services.push_back(std::make_unique<FakeRemote>(state));
  services.push_back(std::make_unique<FakeCommands>(state));
  return services;
}

}  // namespace outpost::testing
