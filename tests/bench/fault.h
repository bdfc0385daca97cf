// A fault that can be made to last for as long as something is measured, and what faults are
// made with.
//
// **Thread safety.** None, but of Try and of Times.
#ifndef OUTPOST_TESTS_BENCH_FAULT_H_
#define OUTPOST_TESTS_BENCH_FAULT_H_

#include <grpcpp/channel.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "outpost/v1/manager.pb.h"

namespace outpost::bench {

struct Fault {
  std::string name;
  std::string held;  // what keeps it from the others
  std::function<void()> begin;
  std::function<void()> end;
  // What is done over and over while nothing is wrong, too: what the fault needs, and is not.
  std::function<void()> always = nullptr;
  // How often it has happened so far. A window in which that stays as it was had no fault, and
  // ends the bench. Null: begin() has brought about what lasts.
  std::function<uint64_t()> times = nullptr;
  // Windows in which it is there follow one another until it is over, and then as many in which
  // it is not. Null: one window.
  std::function<bool()> over = nullptr;
  // In how many times as many rounds as asked for: fewer where that takes its time, more where it
  // seldom happens.
  double rounds = 1;
  // Once for all windows: what it needs for itself.
  std::function<void()> before = nullptr;
  std::function<void()> after = nullptr;
  // By whom the command that is watched is run, asked for each window. Null: the manager of all.
  std::function<std::shared_ptr<grpc::Channel>()> client = nullptr;
};

// What all faults are made in.
struct Scene {
  std::filesystem::path here;  // the runfiles
  std::string directory;       // for files
  std::string watched;         // the prefix of the command that is measured
  // Flags of any manager, with whom the modules `breaks` and `faulty_cpp` run.
  std::vector<std::string> flags;
  // The manager of all, and where it listens.
  std::shared_ptr<grpc::Channel> manager;
  std::string socket;
  // Whether this runs in namespaces of its own (see namespaces.h); without, there is no TLS.
  bool apart = false;
};

// Where the manager of all listens by TLS, on each address of its namespace.
inline constexpr char kTlsPort[] = "7440";

// Does something over and over on a thread of its own, while it is there.
class Beside {
 public:
  explicit Beside(std::function<void()> act)
      : thread_([this, act = std::move(act)] {
          while (!over_) act();
        }) {}
  ~Beside() {
    over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

// A count that lives in a file, so that another process can do the counting.
class Times {
 public:
  // Makes the file, or takes the one that is there.
  explicit Times(const std::string& path);
  ~Times();
  Times(const Times&) = delete;
  Times& operator=(const Times&) = delete;

  void Add() { count_->fetch_add(1); }
  uint64_t Get() const { return count_->load(); }

 private:
  std::atomic<uint64_t>* count_;
};

// Runs a command. What it returned; nothing: it did not answer in time, or could not be called.
std::optional<int> Try(const std::shared_ptr<grpc::Channel>& channel,
                       const std::vector<std::string>& words, absl::Duration timeout,
                       size_t inbuf = 0);

// Does that and waits until `pace` has gone by since it began.
void Paced(absl::Duration pace, const std::function<void()>& act);

// A fault that is the work of `act`, done over and over; `act` says whether it has happened.
Fault Repeated(std::string name, std::string held, std::function<bool()> act);

// What the manager tells of its modules, by their names.
std::map<std::string, v1::ModuleInfo> InfoOf(const std::shared_ptr<grpc::Channel>& channel);

// Runs a program and waits for it; whether it ended well.
bool Succeeds(const std::vector<std::string>& argv);
// The same, and it must.
void MustRun(const std::vector<std::string>& argv);

// All faults there are, of modules' processes (module_faults.cc), of callers and their names and
// certificates (peer_faults.cc), of networks (network_faults.cc), of the manager, its disk and its
// clock (manager_faults.cc): those that can be had here. They use the scene as long as they live.
std::vector<Fault> ModuleFaults(const Scene& scene);
std::vector<Fault> PeerFaults(const Scene& scene);
std::vector<Fault> NetworkFaults(const Scene& scene);
std::vector<Fault> ManagerFaults(const Scene& scene);

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_FAULT_H_
