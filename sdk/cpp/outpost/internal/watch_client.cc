#include "outpost/internal/watch_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "outpost/internal/manager_stubs.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {
namespace {

// A stream of the wire; `convert` makes a Watched of each message.
template <typename Response>
class WireStream final : public ChangeStream {
 public:
  using Convert = Watched (*)(const Response&);

  WireStream(std::unique_ptr<grpc::ClientReader<Response>> reader, Convert convert)
      : reader_(std::move(reader)), convert_(convert) {}

  void AwaitBegin() override { reader_->WaitForInitialMetadata(); }
  bool Next(Watched* change) override {
    if (!reader_->Read(&response_)) return false;
    *change = convert_(response_);
    return true;
  }
  grpc::Status Finish() override { return reader_->Finish(); }

 private:
  const std::unique_ptr<grpc::ClientReader<Response>> reader_;
  const Convert convert_;
  Response response_;
};

Watched OptionOf(const std::string& module, const v1::OptionValue& option) {
  OptionValues::Update update = FromProto(option);
  return {absl::StrCat(module, "/", update.name), std::move(update.value), update.revision};
}

WatchCalls OptionCalls(const std::string& module) {
  WatchCalls calls;
  calls.what = absl::StrCat("options of ", module.empty() ? "all modules" : module);
  calls.open = [module](ManagerStubs& stubs, grpc::ClientContext* context) {
    v1::ConfigWatchRequest request;
    request.set_module(module);
    return std::make_unique<WireStream<v1::ConfigWatchResponse>>(
        stubs.config->Watch(context, request), [](const v1::ConfigWatchResponse& response) {
          return OptionOf(response.module(), response.option());
        });
  };
  calls.list = [module](ManagerStubs& stubs,
                        grpc::ClientContext* context) -> absl::StatusOr<std::vector<Watched>> {
    v1::ConfigListRequest request;
    request.set_module(module);
    v1::ConfigListResponse response;
    const grpc::Status status = stubs.config->List(context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    std::vector<Watched> options;
    for (const v1::ConfigEntry& entry : response.entries()) {
      // "mgr/<module>/<option>"
      const size_t end = entry.key().find('/', 4);
      options.push_back(OptionOf(entry.key().substr(4, end - 4), entry.effective()));
    }
    return options;
  };
  return calls;
}

WatchCalls StoreCalls(const std::string& prefix) {
  WatchCalls calls;
  calls.what = absl::StrCat("keys \"", prefix, "\"");
  calls.open = [prefix](ManagerStubs& stubs, grpc::ClientContext* context) {
    v1::KeyValueWatchRequest request;
    request.set_prefix(prefix);
    return std::make_unique<WireStream<v1::KeyValueWatchResponse>>(
        stubs.key_value->Watch(context, request), [](const v1::KeyValueWatchResponse& response) {
          const v1::KeyValueChange& change = response.change();
          return Watched{change.key(),
                         change.has_value() ? std::make_optional(change.value()) : std::nullopt};
        });
  };
  calls.list = [prefix](ManagerStubs& stubs,
                        grpc::ClientContext* context) -> absl::StatusOr<std::vector<Watched>> {
    v1::KeyValueListRequest request;
    request.set_prefix(prefix);
    v1::KeyValueListResponse response;
    const grpc::Status status = stubs.key_value->List(context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    std::vector<Watched> keys;
    for (v1::KeyValueEntry& entry : *response.mutable_entries()) {
      keys.push_back({std::move(*entry.mutable_key()), std::move(*entry.mutable_value())});
    }
    return keys;
  };
  return calls;
}

}  // namespace

void WatchClient::Connect(Watcher::EventThread event_thread,
                          std::function<void(const std::string&)> warn) {
  absl::MutexLock lock(&mu_);
  event_thread_ = std::move(event_thread);
  warn_ = std::move(warn);
}

void WatchClient::Attached() {
  for (const auto& watcher : Watchers()) watcher->Wake();
}

void WatchClient::Close() {
  {
    absl::MutexLock lock(&mu_);
    event_thread_ = nullptr;
  }
  for (const auto& watcher : Watchers()) watcher->Stop();
}

std::vector<std::shared_ptr<Watcher>> WatchClient::Watchers() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  absl::MutexLock lock(&mu_);
  for (const auto& weak : watchers_) {
    if (auto watcher = weak.lock()) watchers.push_back(std::move(watcher));
  }
  return watchers;
}

absl::StatusOr<Watch> WatchClient::Start(WatchCalls calls, Watcher::Callback callback) {
  if (const auto stubs = connection_.stubs(); !stubs.ok()) return stubs.status();
  absl::MutexLock lock(&mu_);
  if (event_thread_ == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("the module ends: ", calls.what, " can't be watched any more"));
  }
  std::erase_if(watchers_, [](const auto& weak) { return weak.expired(); });
  auto watcher =
      Watcher::Start(connection_, std::move(calls), std::move(callback), event_thread_, warn_);
  watchers_.push_back(watcher);
  return Watch(std::move(watcher));
}

absl::StatusOr<Watch> WatchClient::Options(absl::string_view module,
                                           std::function<void(const OptionChange&)> callback) {
  return Start(OptionCalls(std::string(module)),
               [callback = std::move(callback)](const Watched& option) {
                 const size_t end = option.key.find('/');
                 callback({option.key.substr(0, end), option.key.substr(end + 1), option.value});
               });
}

absl::StatusOr<Watch> WatchClient::Store(absl::string_view prefix,
                                         std::function<void(const StoreChange&)> callback) {
  return Start(StoreCalls(std::string(prefix)),
               [callback = std::move(callback)](const Watched& key) {
                 callback({key.key, key.value});
               });
}

}  // namespace outpost::internal
