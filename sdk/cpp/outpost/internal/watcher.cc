#include "outpost/internal/watcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/internal/manager_stubs.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {
namespace {

constexpr absl::Duration kLongest = absl::Hours(24 * 365);  // of a call

// What a new try does not mend. UNAUTHENTICATED is not among them: it is what a manager
// answers that was started again, until the module is attached to it.
bool IsFinal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsPermissionDenied(status) ||
         absl::IsUnimplemented(status);
}

}  // namespace

std::shared_ptr<Watcher> Watcher::Start(const ManagerConnection& connection, WatchCalls calls,
                                        Callback callback, EventThread event_thread,
                                        std::function<void(const std::string&)> warn) {
  std::shared_ptr<Watcher> watcher(new Watcher(connection, std::move(calls), std::move(callback),
                                               std::move(event_thread), std::move(warn)));
  absl::MutexLock lock(&watcher->join_mu_);
  watcher->thread_ = std::thread([raw = watcher.get()] { raw->Run(); });
  return watcher;
}

Watcher::Watcher(const ManagerConnection& connection, WatchCalls calls, Callback callback,
                 EventThread event_thread, std::function<void(const std::string&)> warn)
    : connection_(connection),
      calls_(std::move(calls)),
      callback_(std::move(callback)),
      event_thread_(std::move(event_thread)),
      warn_(std::move(warn)) {}

Watcher::~Watcher() { Stop(); }

absl::Status Watcher::status() const {
  absl::MutexLock lock(&mu_);
  return end_;
}

absl::Status Watcher::AwaitPresent(absl::Duration timeout) const {
  const auto over = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return present_ || !end_.ok(); };
  absl::MutexLock lock(&mu_);
  if (!changed_.AwaitFor(&mu_, timeout, over)) {
    return absl::DeadlineExceededError(absl::StrCat(
        "the watch of ", calls_.what, " has not begun within ", absl::FormatDuration(timeout)));
  }
  return end_;
}

void Watcher::Wake() {
  absl::MutexLock lock(&mu_);
  woken_ = true;
  changed_.SignalAll();
}

void Watcher::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
    end_.Update(absl::CancelledError(absl::StrCat("the watch of ", calls_.what, " has ended")));
    changed_.SignalAll();
    if (call_ != nullptr) call_->TryCancel();
  }
  absl::MutexLock lock(&join_mu_);
  if (thread_.joinable()) thread_.join();
}

void Watcher::AwaitCallback() {
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return !calling_ || caller_ == std::this_thread::get_id();
  };
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&idle));
}

void Watcher::Run() {
  const auto go_on = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stopped_ || woken_; };
  while (true) {
    bool read = false;
    const absl::Status status = ReadOnce(&read);
    if (IsFinal(status)) {
      warn_(absl::StrCat("the watch of ", calls_.what, " is refused: ", status.message()));
      absl::MutexLock lock(&mu_);
      end_.Update(status);
      changed_.SignalAll();
      return;
    }
    {
      absl::MutexLock lock(&mu_);
      if (stopped_) return;
    }
    if (read) {
      warn_(absl::StrCat("the watch of ", calls_.what, " broke: ", status.message(),
                         "; watching again"));
    }
    absl::MutexLock lock(&mu_);
    changed_.AwaitFor(&mu_, backoff_.Next(), go_on);
    if (stopped_) return;
    woken_ = false;
  }
}

absl::Status Watcher::ReadOnce(bool* read) {
  const auto stubs = connection_.stubs();
  if (!stubs.ok()) return stubs.status();
  const std::unique_ptr<grpc::ClientContext> context = BeginCall();
  if (context == nullptr) return absl::OkStatus();
  const std::unique_ptr<ChangeStream> stream = calls_.open(**stubs, context.get());
  stream->AwaitBegin();
  EndCall();

  // What there is now; what changes while that is read is on the stream.
  absl::StatusOr<std::vector<Watched>> present = absl::CancelledError("");
  if (const auto list = BeginCall(); list != nullptr) {
    list->set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMicroseconds(std::min(connection_.call_timeout(), kLongest)));
    present = calls_.list(**stubs, list.get());
    EndCall();
  }
  if (!present.ok()) {
    context->TryCancel();
    // Where the stream was refused that is why.
    const absl::Status status = FromGrpcStatus(stream->Finish());
    return absl::IsCancelled(status) ? present.status() : status;
  }
  bool goes_on = Tell(*std::move(present), /*all=*/true);
  {
    absl::MutexLock lock(&mu_);
    call_ = context.get();
    if (goes_on) present_ = true;
    changed_.SignalAll();
    if (stopped_) context->TryCancel();
  }
  *read = true;
  backoff_.Reset();
  Watched change;
  while (stream->Next(&change)) {
    if (!goes_on) continue;  // to the end of what was cancelled
    goes_on = Tell({std::move(change)}, /*all=*/false);
    if (!goes_on) context->TryCancel();
  }
  EndCall();
  return FromGrpcStatus(stream->Finish());
}

std::unique_ptr<grpc::ClientContext> Watcher::BeginCall() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->AddMetadata("outpost-session", connection_.identity().session_key);
  absl::MutexLock lock(&mu_);
  if (stopped_) return nullptr;
  call_ = context.get();
  return context;
}

void Watcher::EndCall() {
  absl::MutexLock lock(&mu_);
  call_ = nullptr;
}

bool Watcher::Tell(std::vector<Watched> values, bool all) {
  std::map<std::string, Watched> gone;
  if (all) gone = told_;
  std::vector<Watched> news;
  for (Watched& value : values) {
    gone.erase(value.key);
    const auto it = told_.find(value.key);
    // A list is as new as can be; another manager counts revisions anew.
    if (!all && it != told_.end() && value.revision < it->second.revision) continue;
    const bool same =
        it == told_.end() ? !value.value.has_value() : it->second.value == value.value;
    if (!same) news.push_back(value);
    told_[value.key] = std::move(value);
  }
  for (auto& [key, value] : gone) {
    told_.erase(key);
    if (value.value.has_value()) news.push_back({key, std::nullopt});
  }
  if (news.empty()) {
    absl::MutexLock lock(&mu_);
    return !stopped_;
  }
  {
    absl::MutexLock lock(&mu_);
    heard_ = false;
  }
  event_thread_([self = shared_from_this(), news = std::move(news)] { self->RunCallback(news); });
  const auto over = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return heard_ || stopped_; };
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&over));
  return !stopped_;
}

void Watcher::RunCallback(const std::vector<Watched>& news) {
  // Also where the callback throws, which the event thread takes care of.
  struct AtEnd {
    ~AtEnd() {
      absl::MutexLock lock(&watcher->mu_);
      watcher->calling_ = false;
      watcher->heard_ = true;
    }
    Watcher* watcher;
  } const at_end{this};
  for (const Watched& value : news) {
    {
      absl::MutexLock lock(&mu_);
      if (stopped_) return;
      calling_ = true;
      caller_ = std::this_thread::get_id();
    }
    callback_(value);
  }
}

}  // namespace outpost::internal
