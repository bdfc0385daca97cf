// CommandPool runs blocking cluster commands on a few threads of its own, and
// keeps callers' deadlines although the commands themselves can't be cancelled.
//
// Each command belongs to a lane, the daemon that carries it out. A lane gets one
// more thread only while more are free than it has: half of them if it is alone,
// then half of the rest, and so on. So a hung daemon, or a second and a third, do
// not stop the commands for others.
//
// **Thread safety.** Submit may be called from any thread, Stop from one.
//
// **Invariants.**
// 1. Each callback runs exactly once, on no particular thread, without locks held.
// 2. A callback runs at its deadline at the latest; the thread stays busy until
//    the command returns, whose result is dropped then.
// 3. After Stop has returned no thread runs and every callback has run.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_COMMAND_POOL_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_COMMAND_POOL_H_

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/cluster/source.h"
#include "server/command/command.h"
#include "server/event/timer_queue.h"

namespace outpost::cluster::ceph {

class CommandPool {
 public:
  // Carries out a command; blocks.
  using Run = std::function<command::Result(const ClusterCommand&)>;

  // `threads` run commands, at least one; at most `max_waiting` wait for one.
  CommandPool(size_t threads, size_t max_waiting, Run run);
  CommandPool(const CommandPool&) = delete;
  CommandPool& operator=(const CommandPool&) = delete;
  // Stops.
  ~CommandPool();

  // Runs `command` when a thread is free. -EAGAIN: too many wait. -ETIMEDOUT: its
  // deadline has come. -ESHUTDOWN: the pool has been stopped. Never blocks.
  void Submit(std::string lane, ClusterCommand command, command::ResultCallback done);

  // Answers all commands with -ESHUTDOWN, then waits for those that run to return.
  void Stop();

 private:
  struct Call {
    std::string lane;
    ClusterCommand command;
    command::ResultCallback done;  // null once taken; guarded by mu_
    event::TimerQueue::TimerId timer = 0;
  };
  using CallPtr = std::shared_ptr<Call>;

  void Work();
  bool CanBegin() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::list<CallPtr>::const_iterator NextCall() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Expire(const CallPtr& call);

  const Run run_;
  const size_t thread_count_;
  const size_t max_waiting_;

  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::list<CallPtr> waiting_ ABSL_GUARDED_BY(mu_);
  std::list<CallPtr> running_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, size_t> busy_ ABSL_GUARDED_BY(mu_);  // threads by lane, none of them 0

  std::vector<std::thread> threads_;
  event::TimerQueue timers_;  // last: its thread uses all of the above
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_COMMAND_POOL_H_
