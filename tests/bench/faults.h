// Faults of modules, of processes and of the disk that can be made to last, for the bench.
//
// **Thread safety.** One thread at a time.
#ifndef OUTPOST_TESTS_BENCH_FAULTS_H_
#define OUTPOST_TESTS_BENCH_FAULTS_H_

#include <grpcpp/channel.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace outpost::bench {

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

// A file system of its own, of 64 MiB, that can be filled.
class SmallDisk {
 public:
  // Null: who runs this may not mount one.
  static std::unique_ptr<SmallDisk> Mount(const std::string& path);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  void Fill() const;
  void Free() const;

 private:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {}
  std::string Filler() const { return path_ + "/filler"; }

  const std::string path_;
};

// A fault that can be made to last.
struct Fault {
  std::string name;
  std::string held;  // what keeps it from the others
  std::function<void()> begin;
  std::function<void()> end;
  // What is done over and over while nothing is wrong, too: what the fault needs, and is not.
  std::function<void()> always = nullptr;
};

// Installs modules for the faults below the directory `path`, which is to be in the manager's
// module path.
void InstallFaults(const std::string& path);

// How often the module `breaks` may call.
inline constexpr int kCallsPerSecond = 300;

// All there are, of a manager that runs the modules `breaks` and `faulty_cpp`.
class Faults {
 public:
  // `socket`: where the manager listens. `directory`: for logs. `disk`: of the manager's store,
  // which outlives this; null: it can't be filled.
  Faults(std::shared_ptr<grpc::Channel> manager, std::string socket, std::string directory,
         SmallDisk* disk);
  ~Faults();

  // Those that can be had here. They live as long as this does.
  std::vector<Fault> All();

 private:
  class Modules;
  const std::unique_ptr<Modules> modules_;
};

// What another process is to do as fast as it can, until it is killed. "registrations": to
// register, under one name, and under many. "tokens": to try to, with a token of another's.
// "sessions": to call, with a key of no session.
[[noreturn]] void Flood(const std::string& socket, const std::string& what);

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_FAULTS_H_
