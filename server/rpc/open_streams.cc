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
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/auth/peer.h"
#include "server/log/log.h"
#include "server/rpc/identity.h"

namespace outpost::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::ServerRpcInfo;

constexpr absl::string_view kAttach = "/outpost.v1.ModuleHost/Attach";
constexpr absl::string_view kReport = "/outpost.v1.Ingest/Report";  // has limits of its own

int64_t Now() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

// Whose stream it is, for limits; who comes without a name counts by where from.
std::string PeerOf(const grpc::CallbackServerContext& context) {
  const Caller& caller = CallerOf(context);
  if (caller.name.empty()) return context.peer();
  if (caller.name != auth::kPlaintextTcp) return caller.name;
  return absl::StrCat(caller.name, " at ", caller.address);
}

}  // namespace

class OpenStreams::State {
 public:
  explicit State(const Limits& of) : limits(of) {}

  void Add(Stream* stream);
  void Remove(Stream* stream);
  absl::Status Admit(const grpc::CallbackServerContext& context);
  void OnEnd(const grpc::ServerContextBase& context, End end);
  void Sweep();
  size_t open() const {
    absl::MutexLock lock(&mu_);
    return streams_.size();
  }

  const Limits limits;

 private:
  // How a stream is to end.
  struct Ending {
    absl::Status status;
    absl::string_view reason;
    std::string line;            // for the log
    bool takes_nothing = false;  // a status would wait behind what it does not take
    End end;                     // empty: by cancelling the call
    grpc_call* call = nullptr;
  };
  // `ending` has the rights of its caller already.
  bool IsOverdue(const Stream& stream, int64_t now, Ending* ending) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
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
  std::atomic<int64_t> writing_since = 0;  // nanoseconds; 0: it does not write
  std::atomic<int64_t> silent_since;       // 0: the client has spoken, or need not

  // Guarded by the state's lock.
  std::string peer;  // that it counts for; empty: it does not yet
  std::shared_ptr<const CallContext::Still> still;
  End end;
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
  ++CountOf(*stream);
}

void OpenStreams::State::Remove(Stream* stream) {
  absl::MutexLock lock(&mu_);
  const auto found = streams_.find(stream->context);
  if (found == streams_.end() || found->second != stream) return;
  streams_.erase(found);
  --CountOf(*stream);
  if (stream->peer.empty()) return;
  const auto of_peer = of_peer_.find(stream->peer);
  if (--of_peer->second == 0) of_peer_.erase(of_peer);
}

absl::Status OpenStreams::State::Admit(const grpc::CallbackServerContext& context) {
  std::string peer = PeerOf(context);
  absl::MutexLock lock(&mu_);
  const auto found = streams_.find(&context);
  if (found == streams_.end()) return absl::OkStatus();  // it is over already
  Stream& stream = *found->second;
  stream.still = StillOf(context);
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
  size_t& of_peer = of_peer_[peer];
  if (of_peer >= limits.streams_per_peer) {
    return absl::ResourceExhaustedError(
        absl::StrCat(peer, " has ", limits.streams_per_peer,
                     " streams open already, and no more may be of one: end some, or raise "
                     "--max-streams-per-peer"));
  }
  ++of_peer;
  stream.peer = std::move(peer);
  return absl::OkStatus();
}

void OpenStreams::State::OnEnd(const grpc::ServerContextBase& context, End end) {
  absl::MutexLock lock(&mu_);
  const auto found = streams_.find(&context);
  if (found != streams_.end()) found->second->end = std::move(end);
}

bool OpenStreams::State::IsOverdue(const Stream& stream, int64_t now, Ending* ending) const {
  const auto client = [&stream] { return stream.context->peer(); };
  const int64_t writing = stream.writing_since;
  const int64_t silent = stream.silent_since;
  if (!ending->status.ok()) {
    ending->reason = absl::IsPermissionDenied(ending->status) ? "NO_RIGHT" : "NOT_IDENTIFIED";
    ending->line =
        absl::StrCat(stream.method, " of ", client(), " is ended: ", ending->status.message());
    return true;
  }
  if (writing != 0 && absl::Nanoseconds(now - writing) > limits.slow_reader) {
    ending->takes_nothing = true;
    ending->line = absl::StrCat(client(), " has not taken a message of ", stream.method, " for ",
                                absl::FormatDuration(limits.slow_reader),
                                ", and is cut off (--slow-reader-timeout)");
    return true;
  }
  if (silent != 0 && absl::Nanoseconds(now - silent) > limits.first_message) {
    const std::string time = absl::FormatDuration(limits.first_message);
    ending->reason = "SILENT";
    ending->status = absl::DeadlineExceededError(absl::StrCat(
        "no first message came within ", time, " (--first-message-timeout); begin again"));
    ending->line = absl::StrCat(client(), " has begun ", stream.method, " and sent nothing for ",
                                time, ", and is cut off (--first-message-timeout)");
    return true;
  }
  return false;
}

void OpenStreams::State::Sweep() {
  // Who may what is asked without the lock that each new stream needs. A stream may be over by
  // then: what it has asked by is still there, and of no other.
  using Still = std::shared_ptr<const CallContext::Still>;
  std::vector<Still> asked;
  {
    absl::MutexLock lock(&mu_);
    asked.reserve(streams_.size());
    for (const auto& [context, stream] : streams_) {
      if (!stream->ended && stream->still != nullptr) asked.push_back(stream->still);
    }
  }
  absl::flat_hash_map<const CallContext::Still*, absl::Status> lost;
  for (const Still& still : asked) {
    if (absl::Status status = (*still)(); !status.ok()) lost.emplace(still.get(), status);
  }
  const int64_t now = Now();
  std::vector<Ending> endings;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [context, stream] : streams_) {
      Ending ending;
      if (const auto it = lost.find(stream->still.get()); it != lost.end()) {
        ending.status = it->second;
      }
      if (stream->ended || !IsOverdue(*stream, now, &ending)) continue;
      stream->ended = true;
      if (!ending.takes_nothing) ending.end = std::move(stream->end);
      if (!ending.end) {
        ending.call = stream->context->c_call();
        grpc_call_ref(ending.call);
      }
      endings.push_back(std::move(ending));
    }
  }
  // Without the lock: what becomes of it may happen on this thread.
  for (const Ending& ending : endings) {
    log::Get("rpc").warn("{}", ending.line);
    if (ending.end) {
      ending.end(ending.status, ending.reason);
    } else {
      grpc_call_cancel(ending.call, nullptr);
      grpc_call_unref(ending.call);
    }
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

void OpenStreams::OnEnd(const grpc::CallbackServerContext& context, End end) const {
  state_->OnEnd(context, std::move(end));
}

void OpenStreams::Sweep() { state_->Sweep(); }

size_t OpenStreams::open() const { return state_->open(); }

}  // namespace outpost::rpc
