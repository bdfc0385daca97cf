#include "outpost/internal/attach_stream.h"

#include <utility>

namespace outpost::internal {

std::shared_ptr<AttachStream> AttachStream::Start(v1::ModuleHost::Stub& stub,
                                                  v1::AttachRequest first, Observer* observer) {
  std::shared_ptr<AttachStream> stream(new AttachStream(observer));
  stream->self_ = stream;
  stub.async()->Attach(&stream->context_, stream.get());
  stream->AddHold();
  stream->StartRead(&stream->incoming_);
  stream->Send(std::move(first));
  stream->StartCall();
  return stream;
}

bool AttachStream::Send(v1::AttachRequest message) {
  {
    absl::MutexLock lock(&mu_);
    if (broken_ || closing_) return false;
    queue_.push_back(std::move(message));
  }
  Pump();
  return true;
}

void AttachStream::Poke() { Pump(); }

void AttachStream::HalfClose() {
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
  }
  Pump();
}

void AttachStream::Pump() {
  enum { kNothing, kWrite, kWritesDone, kRemoveHold } action = kNothing;
  grpc::WriteOptions options;
  {
    absl::MutexLock lock(&mu_);
    if (write_pending_ || !held_) return;
    if (broken_) {
      held_ = false;
      action = kRemoveHold;
    } else if (half_closed_) {
      return;
    } else if (!queue_.empty()) {
      outgoing_ = std::move(queue_.front());
      queue_.pop_front();
      // It may wait for those behind it: one system call for several.
      if (!queue_.empty()) options.set_buffer_hint();
      action = kWrite;
    } else if (outgoing_.Clear(); observer_->OnIdle(&outgoing_)) {
      action = kWrite;
    } else if (closing_) {
      half_closed_ = true;
      action = kWritesDone;
    }
    write_pending_ = action == kWrite || action == kWritesDone;
  }
  if (action == kWrite) StartWrite(&outgoing_, options);
  if (action == kWritesDone) StartWritesDone();
  if (action == kRemoveHold) RemoveHold();
}

void AttachStream::OnReadDone(bool ok) {
  if (ok) {
    observer_->OnMessage(self_, std::exchange(incoming_, {}));
    StartRead(&incoming_);
    return;
  }
  {
    absl::MutexLock lock(&mu_);
    broken_ = true;
    queue_.clear();
  }
  Pump();
}

void AttachStream::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mu_);
    write_pending_ = false;
    if (!ok) {
      // The stream is broken: the pending read fails too, and brings the end.
      broken_ = true;
      queue_.clear();
    }
  }
  Pump();
}

void AttachStream::OnWritesDoneDone(bool) {
  {
    absl::MutexLock lock(&mu_);
    write_pending_ = false;
  }
  Pump();
}

void AttachStream::OnDone(const grpc::Status& status) {
  Observer* const observer = observer_;
  observer->OnEnded(std::move(self_), status);
}

}  // namespace outpost::internal
