#include "server/rpc/module_host_service.h"

#include <atomic>
#include <deque>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/event/lent_thread.h"
#include "server/event/moment.h"
#include "server/log/log.h"
#include "server/log/rate_limit.h"
#include "server/rpc/audited_calls.h"
#include "server/rpc/identity.h"
#include "server/rpc/refused_stream.h"
#include "server/rpc/status.h"

namespace outpost::rpc {
namespace {

using AttachStream = grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>;

// Who registers too often hears so when this is over, and so does who may not, where many may
// not: one that tries again as soon as it is refused would keep the manager busy with refusing
// it. So many wait at most.
constexpr absl::Duration kHold = absl::Seconds(1);
constexpr int kMaxHeld = 1024;
// How many who may not hear so at once: in a row, and then a second.
constexpr double kRefusedAtOnce = 20;
constexpr double kRefusedASecond = 10;

// The sending side of one stream: one write at a time, a bounded queue behind it.
// It may outlive the stream; it is open, then closing (a status was given, no
// message is taken any more), then gone.
class StreamLink final : public module::SessionLink {
 public:
  static constexpr size_t kMaxQueued = 8192;                   // messages
  static constexpr size_t kMaxQueuedBytes = size_t{64} << 20;  // but one may have any size

  StreamLink(AttachStream* stream, grpc::CallbackServerContext* context)
      : stream_(stream), context_(context), proof_(ProofOf(*context)) {}

  bool Send(v1::AttachResponse&& message) override {
    const size_t bytes = message.ByteSizeLong();
    absl::MutexLock lock(&mu_);
    if (stream_ == nullptr || closing_) return false;
    if (queue_.size() >= kMaxQueued ||
        (!queue_.empty() && queued_bytes_ + bytes > kMaxQueuedBytes)) {
      log::Get("rpc").warn("{} does not read: {} messages of {} bytes wait for it; it is cut off",
                           context_->peer(), queue_.size(), queued_bytes_);
      // A status would wait behind what it does not read.
      closing_ = true;
      Clear();
      context_->TryCancel();
      return false;
    }
    queued_bytes_ += bytes;
    queue_.push_back(std::move(message));
    if (!writing_) WriteNext();
    return true;
  }

  void Close(const absl::Status& status, absl::string_view reason) override {
    absl::MutexLock lock(&mu_);
    if (stream_ == nullptr || closing_) return;
    closing_ = true;
    last_words_ = ToGrpc(status, reason);
    if (!writing_) {
      Finish(last_words_);
    } else if (!queue_.empty()) {
      // It is slow to read: the status could wait for ever behind what is written.
      context_->TryCancel();
    }
    Clear();
  }

  absl::string_view proof() const override { return proof_; }

  // The last write has ended.
  void Written(bool ok) {
    absl::MutexLock lock(&mu_);
    writing_ = false;
    if (closing_) {
      Finish(last_words_);
    } else if (!ok) {
      Clear();
      Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the stream is broken"));
    } else if (!queue_.empty()) {
      WriteNext();
    }
  }

  // The module sends no more.
  void ReadsDone() {
    absl::MutexLock lock(&mu_);
    if (!closing_) last_words_ = grpc::Status::OK;
    closing_ = true;
    Clear();
    if (!writing_) Finish(last_words_);
  }

  // The stream object is about to go.
  void Gone() {
    absl::MutexLock lock(&mu_);
    stream_ = nullptr;
    context_ = nullptr;
  }

 private:
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    writing_ = true;
    current_ = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= current_.ByteSizeLong();
    // With more behind it, it may wait for that: one system call for several messages.
    stream_->StartWrite(
        &current_, queue_.empty() ? grpc::WriteOptions() : grpc::WriteOptions().set_buffer_hint());
  }

  void Clear() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    queue_.clear();
    queued_bytes_ = 0;
  }

  void Finish(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (finished_ || stream_ == nullptr) return;
    finished_ = true;
    closing_ = true;
    stream_->Finish(status);
  }

  static std::string ProofOf(const grpc::CallbackServerContext& context) {
    const Caller& caller = CallerOf(context);
    return caller.peer == nullptr ? "" : caller.peer->proof;
  }

  absl::Mutex mu_;
  AttachStream* stream_ ABSL_GUARDED_BY(mu_);
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mu_);
  const std::string proof_;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  grpc::Status last_words_ ABSL_GUARDED_BY(mu_);  // what Finish gets, once closing
  v1::AttachResponse current_ ABSL_GUARDED_BY(mu_);
  std::deque<v1::AttachResponse> queue_ ABSL_GUARDED_BY(mu_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

// Whether `caller` may be the module `name`: it is it, or may do all that the module may.
absl::Status MayBe(const std::string& name, const Caller& caller) {
  if (caller.module == name || caller.may_do_all()) return absl::OkStatus();
  const auth::Need need = {.service = "",
                           .module = name,
                           .command = "",
                           .access = auth::kRead | auth::kWrite | auth::kExecute,
                           .argument = auth::NoArguments,
                           .address = caller.address};
  if (caller.May(need)) return absl::OkStatus();
  return caller.Denied(absl::StrCat("attach as module '", name, "'"), need);
}

}  // namespace

// Who may not be the module that they say, and when they hear of it.
class ModuleHostService::Refusals {
 public:
  // Whether there have been many lately, of whatever module.
  bool AreMany() {
    absl::MutexLock lock(&mu_);
    return !limit_.Take(event::Moment::Now().steady);
  }
  // False: too many wait. Else one more does, until EndWait.
  bool BeginWait() {
    absl::MutexLock lock(&mu_);
    if (waiting_ == kMaxHeld) return false;
    ++waiting_;
    return true;
  }
  void EndWait() {
    absl::MutexLock lock(&mu_);
    --waiting_;
  }

 private:
  absl::Mutex mu_;
  log::RateLimit limit_ ABSL_GUARDED_BY(mu_){kRefusedAtOnce, kRefusedASecond};
  int waiting_ ABSL_GUARDED_BY(mu_) = 0;
};

ModuleHostService::ModuleHostService(module::Supervisor* supervisor, notify::NotificationHub* hub,
                                     auth::AuditLog* audit, event::TimerQueue* timers,
                                     bool relayed_tokens)
    : parts_{supervisor, hub, audit, timers, relayed_tokens, std::make_shared<Refusals>()} {}

class ModuleHostService::AttachReactor final : public AttachStream {
 public:
  AttachReactor(grpc::CallbackServerContext* context, const Parts& parts)
      : parts_(parts),
        caller_(CallerOf(*context)),
        link_(std::make_shared<StreamLink>(this, context)) {}

  void Begin() { StartRead(&incoming_); }
  const std::shared_ptr<StreamLink>& link() const { return link_; }

  void OnReadDone(bool ok) override {
    if (!ok) {
      if (session_ != nullptr) parts_.supervisor->Detach(session_, "has ended its session");
      link_->ReadsDone();
      return;
    }
    if (session_ == nullptr) {
      if (!Register()) return;
    } else if (incoming_.has_register_()) {
      link_->Close(absl::InvalidArgumentError(absl::StrCat("module '", session_->name(),
                                                           "' sent Register twice in one session")),
                   "PROTOCOL_ERROR");
      return;
    } else {
      Handle();
    }
    incoming_.Clear();
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override { link_->Written(ok); }

  void OnCancel() override {
    if (waits_) link_->Close(absl::CancelledError("cancelled by the caller"), "");
  }

  void OnDone() override {
    if (session_ != nullptr) parts_.supervisor->Detach(session_, "has lost its session");
    link_->Gone();
    delete this;
  }

 private:
  bool Register() {
    if (!incoming_.has_register_()) {
      link_->Close(absl::InvalidArgumentError(
                       "the first message of a session must be Register (see module_host.proto)"),
                   "PROTOCOL_ERROR");
      return false;
    }
    event::TakesItsTime();  // as much as many commands
    const std::string name = incoming_.register_().name();
    module::Refusal refusal;
    if (absl::Status may = MayBe(name, caller_); !may.ok()) {
      return Refuse(name, may, "NO_RIGHT");
    }
    if (!incoming_.register_().token().empty() && caller_.module != name &&
        !(parts_.relayed_tokens && caller_.may_do_all())) {
      return Refuse(name,
                    absl::UnauthenticatedError(absl::StrCat(
                        "the token of module '", name, "' came from ", caller_.from,
                        ", which is no process of that module's (of the session that its process "
                        "leads); the token is of use to these alone")),
                    "BAD_TOKEN");
    }
    session_ =
        parts_.supervisor->Attach(std::move(*incoming_.mutable_register_()), link_, &refusal);
    if (session_ != nullptr) return true;
    if (refusal.reason == "TOO_MANY_REGISTRATIONS" && Hold(refusal)) return false;
    return Refuse(name, refusal.status, refusal.reason, refusal.told);
  }

  // Refuses later; false: too many wait.
  bool Hold(const module::Refusal& refusal) {
    if (!parts_.refusals->BeginWait()) return false;
    waits_ = true;
    parts_.timers->After(kHold, [link = link_, refusals = parts_.refusals, refusal] {
      refusals->EndWait();
      link->Close(refusal.status, refusal.reason);
    });
    return true;
  }

  // `told`: in the log, already.
  bool Refuse(const std::string& name, const absl::Status& why, absl::string_view reason,
              bool told = false) {
    if (!told) log::Get("rpc").warn("module \"{}\" was refused: {}", name, why.ToString());
    if (absl::IsPermissionDenied(why) || absl::IsUnauthenticated(why)) {
      auth::AuditRecord line = AuditLineOf(caller_);
      line.method = "outpost.v1.ModuleHost.Attach";
      line.arguments = {{"name", name}};
      SetRefused(why, &line);
      parts_.audit->Write(line);
      // Other refusals count as registrations.
      if (parts_.refusals->AreMany() && Hold({why, std::string(reason), /*told=*/true}))
        return false;
    }
    link_->Close(why, reason);
    return false;
  }

  void Handle() {
    switch (incoming_.message_case()) {
      case v1::AttachRequest::kCommandResult: {
        const uint64_t id = incoming_.command_result().id();
        return session_->HandleAnswer(id, std::move(incoming_));
      }
      case v1::AttachRequest::kCallResult: {
        const uint64_t id = incoming_.call_result().id();
        return session_->HandleAnswer(id, std::move(incoming_));
      }
      case v1::AttachRequest::kNotificationAck: {
        const auto& ack = incoming_.notification_ack();
        const auto subscription = parts_.hub->Find(ack.subscription_id());
        if (subscription != nullptr &&
            subscription->owner() == absl::StrCat("module/", session_->name())) {
          subscription->Acknowledge(ack.sequence());
        }
        return;
      }
      default:
        event::TakesItsTime();
        parts_.supervisor->Handle(session_, incoming_);
    }
  }

  const Parts& parts_;
  std::atomic<bool> waits_ = false;  // for its refusal
  const Caller caller_;
  const std::shared_ptr<StreamLink> link_;
  std::shared_ptr<module::Session> session_;
  v1::AttachRequest incoming_;
};

grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* ModuleHostService::Attach(
    grpc::CallbackServerContext* context) {
  if (const absl::Status refused = Admit(*context); !refused.ok()) {
    return TooManyStreams<AttachStream>(refused);
  }
  auto* const reactor = new AttachReactor(context, parts_);
  OnEnd(*context, [link = reactor->link()](const absl::Status& status, absl::string_view reason) {
    link->Close(status, reason);
  });
  reactor->Begin();
  return reactor;
}

}  // namespace outpost::rpc
