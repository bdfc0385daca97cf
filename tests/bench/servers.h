// Processes for measurements: managers and bare servers, and how they are asked.
//
// **Thread safety.** None, but of RunOnce and of channels.
#ifndef OUTPOST_TESTS_BENCH_SERVERS_H_
#define OUTPOST_TESTS_BENCH_SERVERS_H_

#include <grpcpp/channel.h>
#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "outpost/v1/commands.pb.h"

namespace outpost::bench {

// Ends the process with a word on stderr: what a measurement needs is not there.
[[noreturn]] void Die(const std::string& words);

// A process that ends with its owner, and at the latest when this process exits.
class Child {
 public:
  // `preload`: a library to load first; empty: none.
  Child(std::vector<std::string> argv, const std::string& log, const std::string& preload = "");
  ~Child();
  pid_t pid() const { return pid_; }
  // Ends it now; its exit status, or -1.
  int End();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

 private:
  pid_t pid_ = 0;
};

// A socket is there when its server listens.
void WaitForFile(const std::string& path);

// A channel to a unix socket, connected. Channels of one `number` share a connection.
std::shared_ptr<grpc::Channel> Connect(const std::string& socket, int number = 0);

// The bytes of a request that runs the command `prefix`.
std::string Command(const std::string& prefix);

// Runs a command, and gives its answer. With a `timeout`, it is expected not to answer within it.
v1::CommandsRunResponse RunOnce(const std::shared_ptr<grpc::Channel>& channel,
                                const std::vector<std::string>& words,
                                absl::Duration timeout = absl::InfiniteDuration());

// Waits until the module's command answers: the manager holds it while the
// module is starting.
void WaitForModule(const std::shared_ptr<grpc::Channel>& channel, const std::string& prefix);

// A manager of its own in a directory of its own, gone with its owner.
class Manager {
 public:
  // `here`: the runfiles. `data`: where its database is.
  Manager(const std::filesystem::path& here, const std::string& directory, const std::string& data,
          const std::vector<std::string>& flags, const std::string& preload = "");
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const std::string& socket() const { return socket_; }
  pid_t pid() const { return child_->pid(); }
  // Ends it now; its exit status, or -1.
  int End() { return child_->End(); }

 private:
  std::string socket_;
  std::unique_ptr<Child> child_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_SERVERS_H_
