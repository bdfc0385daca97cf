#include "server/cluster/ceph/command_pool.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"

namespace outpost::cluster::ceph {
namespace {

command::Result Failure(int error, std::string why) { return {-error, "", std::move(why)}; }

std::string Daemon(const ClusterCommand& command) {
  return command.service_id.empty() ? command.service_type
                                    : absl::StrCat(command.service_type, ".", command.service_id);
}

command::Result TimedOut(const ClusterCommand& command) {
  return Failure(ETIMEDOUT, absl::StrCat("the command for ", Daemon(command),
                                         " was not answered before its deadline; whether it was "
                                         "carried out is not known"));
}

command::Result ShutDown() { return Failure(ESHUTDOWN, "the manager leaves the cluster"); }

}  // namespace

CommandPool::CommandPool(size_t threads, size_t max_waiting, Run run)
    : run_(std::move(run)), thread_count_(std::max<size_t>(1, threads)), max_waiting_(max_waiting) {
  for (size_t i = 0; i < thread_count_; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

CommandPool::~CommandPool() { Stop(); }

void CommandPool::Submit(std::string lane, ClusterCommand command, command::ResultCallback done) {
  const absl::Duration left = command.deadline - internal::SteadyNow();
  if (left <= absl::ZeroDuration()) {
    done(TimedOut(command));
    return;
  }
  auto call = std::make_shared<Call>();
  call->lane = std::move(lane);
  call->command = std::move(command);
  command::Result refusal;
  {
    absl::MutexLock lock(&mu_);
    if (stopping_) {
      refusal = ShutDown();
    } else if (waiting_.size() >= max_waiting_) {
      refusal = Failure(EAGAIN, absl::StrCat(waiting_.size(),
                                             " commands for the cluster wait already: try later"));
    } else {
      call->done = std::move(done);
      call->timer = timers_.After(left, [this, call] { Expire(call); });
      waiting_.push_back(std::move(call));
      return;
    }
  }
  done(std::move(refusal));
}

void CommandPool::Stop() {
  std::vector<command::ResultCallback> unanswered;
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    for (const std::list<CallPtr>* calls : {&waiting_, &running_}) {
      for (const CallPtr& call : *calls) {
        timers_.Cancel(call->timer);
        if (call->done != nullptr) unanswered.push_back(std::move(call->done));
        call->done = nullptr;
      }
    }
    waiting_.clear();
  }
  for (command::ResultCallback& done : unanswered) done(ShutDown());
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::list<CommandPool::CallPtr>::const_iterator CommandPool::NextCall() const {
  const size_t free = thread_count_ - running_.size();
  return std::find_if(waiting_.begin(), waiting_.end(), [this, free](const CallPtr& call) {
    mu_.AssertHeld();
    const auto busy = busy_.find(call->lane);
    return free > (busy == busy_.end() ? 0 : busy->second);
  });
}

bool CommandPool::CanBegin() const { return stopping_ || NextCall() != waiting_.end(); }

void CommandPool::Work() {
  while (true) {
    CallPtr call;
    std::list<CallPtr>::const_iterator place;
    {
      absl::MutexLock lock(&mu_, absl::Condition(this, &CommandPool::CanBegin));
      if (stopping_) return;
      const auto next = NextCall();
      call = *next;
      waiting_.erase(next);
      ++busy_[call->lane];
      place = running_.insert(running_.end(), call);
    }
    command::Result result = run_(call->command);
    command::ResultCallback done;
    {
      absl::MutexLock lock(&mu_);
      running_.erase(place);
      if (--busy_[call->lane] == 0) busy_.erase(call->lane);
      done = std::move(call->done);
      call->done = nullptr;
    }
    timers_.Cancel(call->timer);
    if (done != nullptr) done(std::move(result));
  }
}

void CommandPool::Expire(const CallPtr& call) {
  command::ResultCallback done;
  {
    absl::MutexLock lock(&mu_);
    waiting_.remove(call);
    done = std::move(call->done);
    call->done = nullptr;
  }
  if (done != nullptr) done(TimedOut(call->command));
}

}  // namespace outpost::cluster::ceph
