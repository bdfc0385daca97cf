// Faults of the manager itself, of its disk and its clock. Each has a manager of its own.
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "outpost/v1/key_value.grpc.pb.h"
#include "tests/bench/disks.h"
#include "tests/bench/fault.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPace = absl::Milliseconds(10);
constexpr absl::Duration kPatience = absl::Seconds(5);

// A manager that can be ended and started again over the same data.
class OwnManager {
 public:
  // `name`: of its directory, in the scene's. `data`: where its database is; empty: there, too.
  OwnManager(const Scene& scene, const std::string& name, std::string data = "",
             std::string preload = "")
      : scene_(scene),
        directory_(absl::StrCat(scene.directory, "/", name)),
        data_(data.empty() ? directory_ + "/data" : std::move(data)),
        preload_(std::move(preload)) {}

  void Start() {
    fs::remove(directory_ + "/run/outpost.sock");  // of one that was killed
    manager_ = std::make_unique<Manager>(scene_.here, directory_, data_, scene_.flags, preload_);
    client_ = Connect(manager_->socket(), 2);
    WaitForModule(client_, scene_.watched);
  }
  // Also the others run; so a window without a fault can begin.
  void StartAll() {
    Start();
    for (const char* prefix : {"breaks", "faulty-cpp", "noop-py"}) WaitForModule(client_, prefix);
  }
  void Stop() {
    client_.reset();
    manager_.reset();
  }
  void Kill() {
    kill(manager_->pid(), SIGKILL);
    Stop();
  }

  const std::string& data() const { return data_; }
  const std::string& socket() const { return manager_->socket(); }
  // Of the client that is watched, and of others.
  const std::shared_ptr<grpc::Channel>& client() const { return client_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return manager_->channel(); }

 private:
  const Scene& scene_;
  const std::string directory_;
  const std::string data_;
  const std::string preload_;
  std::unique_ptr<Manager> manager_;
  std::shared_ptr<grpc::Channel> client_;
};

// A fault that has that manager.
Fault Of(const std::shared_ptr<OwnManager>& own, Fault fault) {
  fault.before = [own] { own->StartAll(); };
  fault.after = [own] { own->Stop(); };
  fault.client = [own] { return own->client(); };
  return fault;
}

std::optional<int> Write(const std::shared_ptr<grpc::Channel>& manager, const std::string& key,
                         size_t bytes) {
  return Try(manager,
             {"config-key", "set", absl::StrCat("mgr/breaks/", key), std::string(bytes, 'x')},
             kPatience);
}

// Writes to a disk that can fail, a hundred a second. They go on all the while, for they cost the
// others what they cost on a disk that is well, too.
struct Writes {
  explicit Writes(std::shared_ptr<OwnManager> writer) : own(std::move(writer)) {}

  const std::shared_ptr<OwnManager> own;
  absl::Mutex mu;  // held to write, and to start the manager again
  std::atomic<uint64_t> refused = 0;
};

// `write` writes once, and says whether that was refused as the fault has it.
Fault OfWrites(const std::shared_ptr<Writes>& writes, std::string name,
               std::function<bool()> write) {
  Fault fault;
  fault.name = std::move(name);
  fault.held = "they are refused";
  fault.always = [writes, write = std::move(write)] {
    Paced(kPace, [&] {
      absl::MutexLock lock(&writes->mu);
      if (write()) ++writes->refused;
    });
  };
  fault.times = [writes] { return writes->refused.load(); };
  return Of(writes->own, std::move(fault));
}

void AwaitRefusal(const Writes& writes) {
  const uint64_t before = writes.refused;
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (writes.refused == before) {
    if (absl::Now() > deadline) Die("the disk fails, and no write is refused");
    absl::SleepFor(absl::Milliseconds(20));
  }
}

// A disk of its own.
Fault FullDisk(const Scene& scene, std::unique_ptr<SmallDisk> small, const std::string& path) {
  struct State : Writes {
    using Writes::Writes;
    std::atomic<bool> full = false;
    int number = 0;
  };
  const std::shared_ptr<SmallDisk> disk = std::move(small);
  const auto state = std::make_shared<State>(std::make_shared<OwnManager>(scene, "full", path));
  Fault fault = OfWrites(state, "the disk is full, 100 writes a second", [state] {
    // Where the store has written once it may write again on a full disk: it takes new keys. And a
    // value that is there already is not written.
    const int number = ++state->number;
    const std::string key = absl::StrCat("written", state->full ? number : 0);
    return Write(state->own->channel(), key, 60'000 + number % 2) == -ENOSPC;
  });
  fault.begin = [state, disk] {
    disk->Fill();
    state->full = true;
    AwaitRefusal(*state);
  };
  fault.end = [state, disk] {
    // To a new store, for what is removed from one leaves place in it.
    absl::MutexLock lock(&state->mu);
    state->own->Stop();
    disk->Clear();
    state->full = false;
    state->own->StartAll();
  };
  return fault;
}

Fault ReadOnlyDisk(const Scene& scene, std::unique_ptr<FailingDisk> failing,
                   const std::string& path) {
  const std::shared_ptr<FailingDisk> disk = std::move(failing);
  const auto own = std::make_shared<OwnManager>(scene, "read-only", path);
  const auto writes = std::make_shared<Writes>(own);
  Fault fault =
      OfWrites(writes, "the disk is read-only, 100 writes a second", [own, number = 0]() mutable {
        const auto result = Write(own->channel(), "written", 100 + ++number % 100);
        return result.has_value() && *result != 0;
      });
  fault.begin = [disk, writes] {
    disk->Fail();
    AwaitRefusal(*writes);
  };
  fault.end = [writes, disk] {
    absl::MutexLock lock(&writes->mu);
    writes->own->Stop();
    disk->Mend();
    writes->own->StartAll();
  };
  return fault;
}

// --- a page of the database is damaged ---

constexpr int kKeys = 4000;  // more than SQLite keeps in its memory
constexpr int kBytes = 1200;
constexpr off_t kPage = 4096;

std::string Key(int i) { return absl::StrFormat("key%05d", i); }

void WriteKeys(const std::shared_ptr<grpc::Channel>& manager) {
  constexpr int kAtOnce = 500;
  for (int begin = 0; begin < kKeys; begin += kAtOnce) {
    v1::KeyValueBatchRequest request;
    request.set_module("breaks");
    for (int i = begin; i < begin + kAtOnce; ++i) {
      auto& change = *request.add_changes();
      change.set_key(Key(i));
      change.set_value(std::string(kBytes, 'v'));
    }
    grpc::ClientContext context;
    v1::KeyValueBatchResponse response;
    const auto status = v1::KeyValue::NewStub(manager)->Batch(&context, request, &response);
    if (!status.ok()) Die(absl::StrCat("Batch: ", status.error_message()));
  }
}

// The pages of some keys after the first one.
void Damage(const std::string& database, int first) {
  std::stringstream content;
  content << std::ifstream(database, std::ios::binary).rdbuf();
  const std::string pages = content.str();
  const int file = open(database.c_str(), O_WRONLY | O_CLOEXEC);
  for (int i = first + 10; i < first + 60; ++i) {
    const size_t place = pages.find("kv/breaks/" + Key(i % kKeys));
    const std::string garbage(kPage, '\x5a');
    if (place == std::string::npos ||
        pwrite(file, garbage.data(), kPage, static_cast<off_t>(place) / kPage * kPage) != kPage) {
      Die(database + " can't be damaged");
    }
  }
  close(file);
}

// What the manager keeps of a database that it has found damaged.
std::vector<fs::path> Kept(const std::string& data) {
  std::vector<fs::path> kept;
  for (const auto& entry : fs::directory_iterator(data)) {
    if (absl::StrContains(entry.path().filename().string(), ".before-recovery.")) {
      kept.push_back(entry.path());
    }
  }
  return kept;
}

Fault DamagedDatabase(const Scene& scene) {
  struct State {
    explicit State(const Scene& scene) : own(std::make_shared<OwnManager>(scene, "damaged")) {}
    const std::shared_ptr<OwnManager> own;
    absl::Mutex mu;  // held to write, and to start the manager again
    std::atomic<int> next = 0;
  };
  const auto state = std::make_shared<State>(scene);
  const auto own = state->own;
  Fault fault;
  fault.name = "pages of the database are damaged, 100 writes a second";
  fault.held = "it is written anew from memory";
  // Writes find what is damaged; nothing is wrong with them.
  fault.always = [state] {
    Paced(kPace, [&] {
      absl::MutexLock lock(&state->mu);
      if (Write(state->own->channel(), Key(state->next++ % kKeys), kBytes) != 0) {
        Die("a write to a damaged database fails");
      }
    });
  };
  fault = Of(own, std::move(fault));
  fault.before = [own] {
    own->StartAll();
    WriteKeys(own->channel());
    own->Stop();
    own->StartAll();
  };
  fault.begin = [own, state] {
    absl::MutexLock lock(&state->mu);
    Damage(own->data() + "/state.db", state->next);
  };
  fault.end = [own, state] {
    absl::MutexLock lock(&state->mu);
    own->Stop();
    for (const fs::path& file : Kept(own->data())) fs::remove(file);
    own->StartAll();
  };
  fault.times = [own] { return Kept(own->data()).size(); };  // how often it was found
  return fault;
}

// --- its clock ---

constexpr absl::Duration kHour = absl::Hours(1);

// By how much the clock of programs that are preloaded with libset_clock.so is ahead.
void SetClock(const std::string& file, absl::Duration ahead) {
  const int64_t seconds = absl::ToInt64Seconds(ahead);
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const bool written = pwrite(fd, &seconds, sizeof seconds, 0) == sizeof seconds;
  if (fd >= 0) close(fd);
  if (!written) Die(file + " can't be written");
}

Fault ClockSetBack(const Scene& scene) {
  const std::string file = scene.directory + "/clock-ahead";
  const auto own = std::make_shared<OwnManager>(
      scene, "clock", "", (scene.here / "tests/fault/libset_clock.so").string());
  const auto ahead = std::make_shared<absl::Duration>();
  Fault fault = Of(own, Repeated("the clock is set back by an hour, 10 times a second",
                                 "a clock that is never set", [file, ahead] {
                                   Paced(absl::Milliseconds(100), [&] {
                                     *ahead -= kHour;
                                     SetClock(file, *ahead);
                                   });
                                   return true;
                                 }));
  fault.before = [own, file] {
    SetClock(file, absl::ZeroDuration());
    setenv("OUTPOST_TEST_CLOCK", file.c_str(), 1);
    own->StartAll();
    unsetenv("OUTPOST_TEST_CLOCK");
  };
  fault.end = [own, file, ahead, end = std::move(fault.end)] {
    end();
    // It is the manager's clock that was set. Abseil's looks at the system's every two seconds.
    RunOnce(own->channel(), {"module", "restart", "breaks"});
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    const auto is_set = [&] {
      const auto attached = InfoOf(own->channel())["breaks"].attached();
      return absl::FromUnixSeconds(attached.seconds()) < absl::Now() + *ahead + kHour / 2;
    };
    while (!is_set()) {
      if (absl::Now() > deadline) Die("the manager's clock was not set back");
      absl::SleepFor(absl::Milliseconds(50));
    }
    *ahead = absl::ZeroDuration();
    SetClock(file, *ahead);
  };
  return fault;
}

// --- it is killed ---

Fault Killed(const Scene& scene) {
  const auto own = std::make_shared<OwnManager>(scene, "killed");
  return Of(own, {.name = "the manager was killed under load, and started again",
                  .held = "modules outlive it, and attach to the next",
                  .begin =
                      [own] {
                        {
                          // Commands and writes are in hand.
                          const auto channel = Connect(own->socket(), 3);
                          std::vector<std::unique_ptr<Beside>> load;
                          for (const char* prefix : {"breaks", "faulty-cpp", "noop-py"}) {
                            load.push_back(std::make_unique<Beside>(
                                [channel, prefix] { Try(channel, {prefix}, kPatience); }));
                          }
                          load.push_back(std::make_unique<Beside>(
                              [channel] { Write(channel, "load", 1000); }));
                          absl::SleepFor(absl::Milliseconds(100));
                          own->Kill();
                        }
                        own->Start();
                      },
                  .end =
                      [own] {
                        for (const char* prefix : {"breaks", "faulty-cpp", "noop-py"}) {
                          WaitForModule(own->client(), prefix);
                        }
                      }});
}

}  // namespace

std::vector<Fault> ManagerFaults(const Scene& scene) {
  std::vector<Fault> all;
  const std::string small_path = scene.directory + "/small";
  auto small = SmallDisk::Mount(small_path);
  if (small != nullptr) {
    all.push_back(FullDisk(scene, std::move(small), small_path));
  } else {
    std::fprintf(stderr, "no tmpfs can be mounted here: the row of a full disk is left out\n");
  }
  const std::string failing_path = scene.directory + "/failing";
  auto failing = FailingDisk::Mount(failing_path, scene.directory + "/failing.img");
  if (failing != nullptr) {
    all.push_back(ReadOnlyDisk(scene, std::move(failing), failing_path));
  } else {
    std::fprintf(stderr, "no ext4 can be mounted here: the row of a read-only disk is left out\n");
  }
  all.push_back(DamagedDatabase(scene));
  all.push_back(ClockSetBack(scene));
  all.push_back(Killed(scene));
  return all;
}

}  // namespace outpost::bench
