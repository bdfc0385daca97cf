#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "nlohmann/json.hpp"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"
#include "server/rpc/refused_stream.h"
#include "server/rpc/state_services.h"
#include "server/rpc/watch_stream.h"

namespace outpost::rpc {
namespace {

// The whole key: a module may write just "<option>" for its own.
std::string WholeKey(const Caller& caller, const std::string& key) {
  if (caller.module.empty() || absl::StrContains(key, '/')) return key;
  return absl::StrCat("mgr/", caller.module, "/", key);
}

// Why the cluster has not told its `option`.
grpc::Status ClusterError(const command::Result& result, const std::string& option) {
  const int error = -result.retval;
  const std::string text =
      absl::StrCat(option, ": ", result.err.empty() ? "no reason given" : result.err);
  absl::StatusCode code = absl::StatusCode::kUnknown;
  switch (error) {
    case ENOENT:
      code = absl::StatusCode::kNotFound;
      break;
    case EINVAL:
      code = absl::StatusCode::kInvalidArgument;
      break;
    case EACCES:
    case EPERM:
      code = absl::StatusCode::kPermissionDenied;
      break;
    case ETIMEDOUT:
      code = absl::StatusCode::kDeadlineExceeded;
      break;
    case EAGAIN:
    case ENOTCONN:
    case ESHUTDOWN:
      code = absl::StatusCode::kUnavailable;
      break;
  }
  return ToGrpc(absl::Status(code, text), "", {{"errno", absl::StrCat(error)}});
}

}  // namespace

using ConfigStream = WatchStream<v1::ConfigWatchResponse>;

// Who watches options. The registry's listener shares it with the service.
class ConfigService::Watchers {
 public:
  // Tells `stream` of the options of `module` (empty: of all) until the handle is destroyed.
  static std::unique_ptr<store::WatchHandle> Add(std::shared_ptr<Watchers> watchers,
                                                 ConfigStream* stream, std::string module) {
    {
      absl::MutexLock lock(&watchers->mu_);
      watchers->streams_[stream] = std::move(module);
    }
    return std::make_unique<Handle>(std::move(watchers), stream);
  }

  void Tell(const std::string& module, const v1::OptionValue& value) {
    absl::MutexLock lock(&mu_);
    for (const auto& [stream, watched] : streams_) {
      if (!watched.empty() && watched != module) continue;
      v1::ConfigWatchResponse response;
      response.set_module(module);
      *response.mutable_option() = value;
      // The newest value is all that a slow reader needs.
      stream->Offer(std::move(response), absl::StrCat(module, "/", value.name()));
    }
  }

 private:
  class Handle : public store::WatchHandle {
   public:
    Handle(std::shared_ptr<Watchers> watchers, ConfigStream* stream)
        : watchers_(std::move(watchers)), stream_(stream) {}
    ~Handle() override {
      absl::MutexLock lock(&watchers_->mu_);
      watchers_->streams_.erase(stream_);
    }

   private:
    const std::shared_ptr<Watchers> watchers_;
    ConfigStream* const stream_;
  };

  absl::Mutex mu_;
  std::map<ConfigStream*, std::string> streams_ ABSL_GUARDED_BY(mu_);
};

ConfigService::ConfigService(config::ConfigRegistry* config, cluster::Source* source)
    : config_(config), source_(source), watchers_(std::make_shared<Watchers>()) {
  config_->OnChange(
      [config, watchers = watchers_](const std::string& module, const v1::OptionValue& value) {
        watchers->Tell(module, config->Redacted(module, value));
      });
}

ConfigService::~ConfigService() = default;

grpc::ServerUnaryReactor* ConfigService::Get(grpc::CallbackServerContext* context,
                                             const v1::ConfigGetRequest* request,
                                             v1::ConfigGetResponse* response) {
  const Caller& caller = CallerOf(*context);
  absl::StatusOr<v1::OptionValue> value = config_->Get(WholeKey(caller, request->key()));
  if (!value.ok()) return FinishNow(context, value.status());
  *response->mutable_option() = *std::move(value);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ConfigService::Set(grpc::CallbackServerContext* context,
                                             const v1::ConfigSetRequest* request,
                                             v1::ConfigSetResponse* response) {
  const Caller& caller = CallerOf(*context);
  const std::string key = WholeKey(caller, request->key());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  config_->Set(key, request->value(), caller.name,
               [reactor, response, key, config = config_](absl::StatusOr<v1::OptionValue> value) {
                 const absl::Status status = value.status();
                 if (value.ok()) {
                   *response->mutable_option() = *std::move(value);
                   if (auto now = config->Get(key); now.ok()) *response->mutable_effective() = *now;
                 }
                 reactor->Finish(ToGrpc(status));
               });
  return reactor;
}

grpc::ServerUnaryReactor* ConfigService::Remove(grpc::CallbackServerContext* context,
                                                const v1::ConfigRemoveRequest* request,
                                                v1::ConfigRemoveResponse* response) {
  const Caller& caller = CallerOf(*context);
  const std::string key = WholeKey(caller, request->key());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  config_->Remove(key, caller.name, [reactor, response](absl::StatusOr<v1::OptionValue> value) {
    const absl::Status status = value.status();
    if (value.ok()) *response->mutable_option() = *std::move(value);
    reactor->Finish(ToGrpc(status));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ConfigService::List(grpc::CallbackServerContext* context,
                                              const v1::ConfigListRequest* request,
                                              v1::ConfigListResponse* response) {
  for (auto& entry : config_->List(request->module(), request->only_set())) {
    *response->add_entries() = std::move(entry);
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerWriteReactor<v1::ConfigWatchResponse>* ConfigService::Watch(
    grpc::CallbackServerContext* context, const v1::ConfigWatchRequest* request) {
  if (const absl::Status refused = Admit(*context); !refused.ok()) {
    return TooManyStreams<grpc::ServerWriteReactor<v1::ConfigWatchResponse>>(refused);
  }
  auto* stream = new ConfigStream;
  stream->Open(Watchers::Add(watchers_, stream, request->module()));
  return stream;
}

grpc::ServerUnaryReactor* ConfigService::History(grpc::CallbackServerContext* context,
                                                 const v1::ConfigHistoryRequest* request,
                                                 v1::ConfigHistoryResponse* response) {
  constexpr uint32_t kDefaultLimit = 10;
  for (auto& change : config_->History(request->limit() == 0 ? kDefaultLimit : request->limit())) {
    *response->add_changes() = std::move(change);
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ConfigService::GetClusterOption(
    grpc::CallbackServerContext* context, const v1::GetClusterOptionRequest* request,
    v1::GetClusterOptionResponse* response) {
  if (request->name().empty()) {
    return FinishNow(context, absl::InvalidArgumentError(
                                  "the field `name` is empty; say which option of the cluster is "
                                  "meant, e.g. \"mon_allow_pool_delete\""));
  }
  const std::string entity = request->entity().empty() ? "mgr" : request->entity();
  const nlohmann::json command = {
      {"prefix", "config get"}, {"who", entity}, {"key", request->name()}};
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  source_->RunCommand(
      {.service_type = "mon",
       .service_id = "",
       .command_json = command.dump(),
       .inbuf = "",
       .deadline = DeadlineOf(*context)},
      [reactor, response, option = absl::StrCat("option ", request->name(), " of ", entity)](
          const command::Result& result) {
        if (result.retval < 0) return reactor->Finish(ClusterError(result, option));
        response->set_value(std::string(absl::StripSuffix(result.out, "\n")));
        reactor->Finish(grpc::Status::OK);
      });
  return reactor;
}

}  // namespace outpost::rpc
