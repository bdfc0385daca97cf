#include "tests/bench/attached_session.h"

#include <utility>

#include "absl/time/time.h"

namespace outpost::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

}  // namespace

v1::Register Registration(const std::string& name) {
  v1::Register registration;
  registration.set_name(name);
  registration.add_protocol_versions(1);
  registration.set_can_run(true);
  return registration;
}

AttachedSession::AttachedSession(v1::ModuleHost::Stub* stub, v1::Register registration, Reads reads)
    : reads_(reads) {
  stub->async()->Attach(&context_, this);
  AddHold();  // writes begin on other threads, until it ends
  v1::AttachRequest first;
  *first.mutable_register_() = std::move(registration);
  Send(std::move(first));
  StartRead(&incoming_);
  StartCall();
}

void AttachedSession::Send(v1::AttachRequest message) {
  absl::MutexLock lock(&mu_);
  if (ending_) return;
  queue_.push_back(std::move(message));
  if (!writing_) WriteNext();
}

std::string AttachedSession::AwaitKey() {
  absl::MutexLock lock(&mu_);
  const auto there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return !key_.empty() || done_; };
  mu_.AwaitWithTimeout(absl::Condition(&there), kPatience);
  return key_;
}

bool AttachedSession::AwaitServe() {
  absl::MutexLock lock(&mu_);
  const auto there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return serves_ || done_; };
  mu_.AwaitWithTimeout(absl::Condition(&there), kPatience);
  return serves_;
}

void AttachedSession::OnReadDone(bool ok) {
  if (!ok) {
    absl::MutexLock lock(&mu_);
    if (!std::exchange(ending_, true)) RemoveHold();
    return;
  }
  if (incoming_.has_configure()) {
    v1::AttachRequest configured;
    configured.mutable_configured();
    Send(std::move(configured));
    absl::MutexLock lock(&mu_);
    key_ = incoming_.configure().session_key();
  } else if (incoming_.has_ping()) {
    v1::AttachRequest heartbeat;
    heartbeat.mutable_heartbeat()->set_sequence(incoming_.ping().sequence());
    Send(std::move(heartbeat));
  } else if (incoming_.has_serve()) {
    v1::AttachRequest running;
    running.mutable_serve_status()->set_state(v1::ServeStatus::STATE_RUNNING);
    Send(std::move(running));
    absl::MutexLock lock(&mu_);
    serves_ = true;
    if (reads_ == Reads::kUntilItServes) return;
  }
  incoming_.Clear();
  StartRead(&incoming_);
}

void AttachedSession::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mu_);
  writing_ = false;
  if (ok && !queue_.empty()) {
    WriteNext();
  } else if (ok && ending_) {
    StartWritesDone();
  }
}

void AttachedSession::OnDone(const grpc::Status& status) {
  absl::MutexLock lock(&mu_);
  status_ = status;
  done_ = true;
}

grpc::Status AttachedSession::End(How how) {
  absl::MutexLock lock(&mu_);
  if (how == How::kCancel) context_.TryCancel();
  if (!std::exchange(ending_, true)) {
    if (how == How::kHalfClose && !writing_) StartWritesDone();
    RemoveHold();
  }
  mu_.Await(absl::Condition(&done_));
  return status_;
}

void AttachedSession::WriteNext() {
  writing_ = true;
  outgoing_ = std::move(queue_.front());
  queue_.pop_front();
  StartWrite(&outgoing_);
}

}  // namespace outpost::bench
