#include "outpost/internal/attach_stream.h"

#include <utility>

namespace outpost::internal {

std::shared_ptr<AttachStream> AttachStream::Start(v1::ModuleHost::Stub& stub, CompletionLoop& loop,
                                                  v1::AttachRequest first, Observer* observer) {
  std::shared_ptr<AttachStream> stream(new AttachStream(loop, observer));
  stream->self_ = stream;
  stream->call_ = stub.PrepareAsyncAttach(&stream->context_, loop.queue());
  {
    absl::MutexLock lock(&stream->mu_);
    stream->queue_.push_back(std::move(first));
  }
  stream->call_->StartCall(&stream->start_);
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

void AttachStream::HalfClose() {
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
  }
  Pump();
}

void AttachStream::Pump() {
  // The stream may be done with itself before this returns.
  const std::shared_ptr<AttachStream> keep = shared_from_this();
  while (true) {
    enum { kWrite, kWritesDone, kFinish } action = kWrite;
    grpc::WriteOptions options;
    {
      absl::MutexLock lock(&mu_);
      if (write_pending_ || finishing_ || (half_closed_ && !broken_)) return;
      if (broken_) {
        if (reading_) return;
        finishing_ = true;
        action = kFinish;
      } else if (!queue_.empty()) {
        outgoing_ = std::move(queue_.front());
        queue_.pop_front();
        // It may wait for those behind it: one system call for several.
        if (!queue_.empty()) options.set_buffer_hint();
      } else if (outgoing_.Clear(); observer_->OnIdle(&outgoing_)) {
      } else if (closing_) {
        half_closed_ = true;
        action = kWritesDone;
      } else {
        return;
      }
      write_pending_ = action != kFinish;
    }
    if (action == kFinish) return call_->Finish(&status_, &finish_);
    const auto start = [&] {
      if (action == kWrite) return call_->Write(outgoing_, options, &write_);
      call_->WritesDone(&write_);
    };
    bool ok = false;
    if (!loop_.StartAndTry(start, &write_, &ok)) return;
    absl::MutexLock lock(&mu_);
    write_pending_ = false;
    if (!ok) Break();
  }
}

void AttachStream::Break() {
  broken_ = true;
  queue_.clear();
}

void AttachStream::Started(bool ok) {
  {
    absl::MutexLock lock(&mu_);
    write_pending_ = false;
    reading_ = ok;
    if (!ok) Break();
  }
  if (ok) call_->Read(&incoming_, &read_);
  Pump();
}

void AttachStream::ReadDone(bool ok) {
  if (ok) {
    observer_->OnMessage(self_, std::exchange(incoming_, {}));
    return call_->Read(&incoming_, &read_);
  }
  {
    absl::MutexLock lock(&mu_);
    reading_ = false;
    Break();
  }
  Pump();
}

void AttachStream::WriteDone(bool ok) {
  {
    absl::MutexLock lock(&mu_);
    write_pending_ = false;
    if (!ok) Break();
  }
  Pump();
}

void AttachStream::Finished(bool) {
  Observer* const observer = observer_;
  const grpc::Status status = status_;
  observer->OnEnded(std::move(self_), status);
}

}  // namespace outpost::internal
