#include "cli/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/failure.h"

namespace outpost::cli {
namespace {

sigset_t WatchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Interrupt::Interrupt() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Interrupt::Watch() {
  if (watcher_.joinable()) return;
  const sigset_t set = WatchedSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  watcher_ = std::thread([this] { Take(); });
}

Interrupt::~Interrupt() {
  if (watcher_.joinable()) {
    {
      absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    pthread_kill(watcher_.native_handle(), SIGINT);  // wakes sigwait
    watcher_.join();
  }
  close(event_);
}

int Interrupt::signal() const {
  absl::MutexLock lock(&mutex_);
  return signal_;
}

void Interrupt::Forget() {
  absl::MutexLock lock(&mutex_);
  signal_ = 0;
  eventfd_t count = 0;
  eventfd_read(event_, &count);
}

bool Interrupt::WaitToRead(int fd) const {
  pollfd fds[] = {{event_, POLLIN, 0}, {fd, POLLIN, 0}};
  while (poll(fds, 2, -1) < 0) {
  }
  return fds[0].revents == 0;
}

void Interrupt::WaitFor(absl::Duration duration) const {
  absl::MutexLock lock(&mutex_);
  came_.AwaitFor(&mutex_, duration,
                 [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return signal_ != 0; });
}

void Interrupt::Take() {
  const sigset_t set = WatchedSignals();
  for (;;) {
    int received = 0;
    if (sigwait(&set, &received) != 0) continue;
    absl::MutexLock lock(&mutex_);
    if (ending_) return;
    if (signal_ != 0) _exit(SignalFailure(received).exit_status);
    signal_ = received;
    came_.SignalAll();
    eventfd_write(event_, 1);
    if (context_ != nullptr) context_->TryCancel();
  }
}

Interrupt::Cancelling::Cancelling(Interrupt* interrupt, grpc::ClientContext* context)
    : interrupt_(interrupt) {
  absl::MutexLock lock(&interrupt_->mutex_);
  interrupt_->context_ = context;
  if (interrupt_->signal_ != 0) context->TryCancel();
}

Interrupt::Cancelling::~Cancelling() {
  absl::MutexLock lock(&interrupt_->mutex_);
  interrupt_->context_ = nullptr;
}

}  // namespace outpost::cli
