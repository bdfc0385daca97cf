#include "server/rpc/open_streams.h"

#include <grpc/grpc.h>
#include <grpcpp/server_context.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/log/log.h"

namespace outpost::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::ServerRpcInfo;

constexpr absl::string_view kAttach = "/outpost.v1.ModuleHost/Attach";
constexpr absl::string_view kReport = "/outpost.v1.Ingest/Report";  // has limits of its own

int64_t Now() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

// Whose stream it is: a module's session, a host, or this machine.
std::string PeerOf(const grpc::ServerContextBase& context) {
  const auto& metadata = context.client_metadata();
  if (const auto key = metadata.find("outpost-session"); key != metadata.end()) {
    return absl::StrCat("session ", absl::string_view(key->second.data(), key->second.size()));
  }
  std::string peer = context.peer();
  if (!absl::StartsWith(peer, "unix")) peer.resize(std::min(peer.size(), peer.rfind(':')));
  return peer;
}

}  // namespace

class OpenStreams::State {
 public:
  explicit State(const Limits& of) : limits(of) {}

  void Add(Stream* stream);
  void Remove(Stream* stream);
  absl::Status Admit(const grpc::ServerContextBase& context) const;
  void OnSilent(const grpc::ServerContextBase& context,
                std::function<void(const absl::Status&)> end);
  void Sweep();
  size_t open() const {
    absl::MutexLock lock(&mu_);
    return streams_.size();
  }

  const Limits limits;

 private:
  size_t& CountOf(const Stream& stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  absl::flat_hash_map<const grpc::ServerContextBase*, Stream*> streams_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, size_t> of_peer_ ABSL_GUARDED_BY(mu_);
  size_t sessions_ ABSL_GUARDED_BY(mu_) = 0;
  size_t reports_ ABSL_GUARDED_BY(mu_) = 0;
  size_t others_ ABSL_GUARDED_BY(mu_) = 0;
};

// One stream, as gRPC shows it.
class OpenStreams::Stream final : public grpc::experimental::Interceptor {
 public:
  Stream(std::shared_ptr<State> state, ServerRpcInfo* info)
      : context(info->server_context()),
        method(info->method()),
        peer(PeerOf(*context)),
        silent_since(info->type() == ServerRpcInfo::Type::BIDI_STREAMING ? Now() : 0),
        state_(std::move(state)) {
    state_->Add(this);
  }
  ~Stream() override { state_->Remove(this); }

  void Intercept(grpc::experimental::InterceptorBatchMethods* batch) override {
    const auto is = [batch](InterceptionHookPoints point) {
      return batch->QueryInterceptionHookPoint(point);
    };
    if (is(InterceptionHookPoints::PRE_SEND_MESSAGE)) writing_since = Now();
    if (is(InterceptionHookPoints::POST_SEND_MESSAGE)) writing_since = 0;
    if (is(InterceptionHookPoints::POST_RECV_MESSAGE)) silent_since = 0;
    // The call is there until after this.
    if (is(InterceptionHookPoints::POST_RECV_CLOSE)) state_->Remove(this);
    batch->Proceed();
  }

  grpc::ServerContextBase* const context;
  const std::string method;
  const std::string peer;
  std::atomic<int64_t> writing_since = 0;  // nanoseconds; 0: it does not write
  std::atomic<int64_t> silent_since;       // 0: the client has spoken, or need not

  // Guarded by the state's lock.
  std::function<void(const absl::Status&)> on_silent;
  bool ended = false;

 private:
  const std::shared_ptr<State> state_;
};

class OpenStreams::Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(std::shared_ptr<State> state) : state_(std::move(state)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    if (info->type() == ServerRpcInfo::Type::UNARY) return nullptr;
    return new Stream(state_, info);  // gRPC's
  }

 private:
  const std::shared_ptr<State> state_;
};

size_t& OpenStreams::State::CountOf(const Stream& stream) {
  if (stream.method == kAttach) return sessions_;
  if (stream.method == kReport) return reports_;
  return others_;
}

void OpenStreams::State::Add(Stream* stream) {
  absl::MutexLock lock(&mu_);
  streams_.emplace(stream->context, stream);
  size_t& count = CountOf(*stream);
  ++count;
  if (&count == &others_) ++of_peer_[stream->peer];
}

void OpenStreams::State::Remove(Stream* stream) {
  absl::MutexLock lock(&mu_);
  const auto found = streams_.find(stream->context);
  if (found == streams_.end() || found->second != stream) return;
  streams_.erase(found);
  size_t& count = CountOf(*stream);
  --count;
  if (&count != &others_) return;
  const auto of_peer = of_peer_.find(stream->peer);
  if (--of_peer->second == 0) of_peer_.erase(of_peer);
}

absl::Status OpenStreams::State::Admit(const grpc::ServerContextBase& context) const {
  absl::MutexLock lock(&mu_);
  const auto found = streams_.find(&context);
  if (found == streams_.end()) return absl::OkStatus();  // it is over already
  const Stream& stream = *found->second;
  if (stream.method == kReport) return absl::OkStatus();
  if (stream.method == kAttach) {
    if (sessions_ <= limits.sessions) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat(
        limits.sessions, " modules have a session already, and no more may: raise --max-sessions"));
  }
  if (others_ > limits.streams) {
    return absl::ResourceExhaustedError(
        absl::StrCat(limits.streams,
                     " streams are open already, and no more may be: end some (watches, "
                     "subscriptions, tails of the log), or raise --max-streams"));
  }
  if (const auto of_peer = of_peer_.find(stream.peer);
      of_peer != of_peer_.end() && of_peer->second > limits.streams_per_peer) {
    const absl::string_view who =
        absl::StartsWith(stream.peer, "session ") ? "this module" : absl::string_view(stream.peer);
    return absl::ResourceExhaustedError(
        absl::StrCat(who, " has ", limits.streams_per_peer,
                     " streams open already, and no more may be of one "
                     "peer: end some, or raise --max-streams-per-peer"));
  }
  return absl::OkStatus();
}

void OpenStreams::State::OnSilent(const grpc::ServerContextBase& context,
                                  std::function<void(const absl::Status&)> end) {
  absl::MutexLock lock(&mu_);
  const auto found = streams_.find(&context);
  if (found != streams_.end()) found->second->on_silent = std::move(end);
}

void OpenStreams::State::Sweep() {
  const int64_t now = Now();
  std::vector<std::string> words;
  std::vector<std::function<void(const absl::Status&)>> to_tell;
  std::vector<grpc_call*> to_cancel;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [context, stream] : streams_) {
      if (stream->ended) continue;
      const int64_t writing = stream->writing_since;
      const int64_t silent = stream->silent_since;
      if (writing != 0 && absl::Nanoseconds(now - writing) > limits.slow_reader) {
        words.push_back(absl::StrCat(
            stream->context->peer(), " has not taken a message of ", stream->method, " for ",
            absl::FormatDuration(limits.slow_reader), ", and is cut off (--slow-reader-timeout)"));
      } else if (silent != 0 && absl::Nanoseconds(now - silent) > limits.first_message) {
        words.push_back(absl::StrCat(stream->context->peer(), " has begun ", stream->method,
                                     " and sent nothing for ",
                                     absl::FormatDuration(limits.first_message),
                                     ", and is cut off (--first-message-timeout)"));
        if (stream->on_silent) {
          stream->ended = true;
          to_tell.push_back(std::move(stream->on_silent));
          continue;
        }
      } else {
        continue;
      }
      stream->ended = true;
      grpc_call* const call = stream->context->c_call();
      grpc_call_ref(call);
      to_cancel.push_back(call);
    }
  }
  // Without the lock: what becomes of it may happen on this thread.
  for (grpc_call* const call : to_cancel) {
    grpc_call_cancel(call, nullptr);
    grpc_call_unref(call);
  }
  for (const std::string& line : words) log::Get("rpc").warn("{}", line);
  for (const auto& end : to_tell) {
    end(absl::DeadlineExceededError(absl::StrCat("no first message came within ",
                                                 absl::FormatDuration(limits.first_message),
                                                 " (--first-message-timeout); begin again")));
  }
}

OpenStreams::OpenStreams(const Limits& limits) : state_(std::make_shared<State>(limits)) {}

OpenStreams::~OpenStreams() = default;

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> OpenStreams::Interceptor()
    const {
  return std::make_unique<Factory>(state_);
}

void OpenStreams::Start(event::TimerQueue* timers) {
  timers_ = timers;
  Schedule();
}

void OpenStreams::Schedule() {
  const absl::Duration shortest =
      std::min(state_->limits.slow_reader, state_->limits.first_message);
  timers_->After(std::min(shortest / 4, absl::Seconds(1)), [this] {
    Sweep();
    Schedule();
  });
}

absl::Status OpenStreams::Admit(const grpc::CallbackServerContext& context) const {
  return state_->Admit(context);
}

void OpenStreams::OnSilent(const grpc::CallbackServerContext& context,
                           std::function<void(const absl::Status&)> end) const {
  state_->OnSilent(context, std::move(end));
}

void OpenStreams::Sweep() { state_->Sweep(); }

size_t OpenStreams::open() const { return state_->open(); }

}  // namespace outpost::rpc
