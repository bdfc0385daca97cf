// report_bench: what daemons that report cost the manager.
//
//     report_bench [--daemons N] [--counters N] [--interval S] [--seconds S] [--json FILE]
//
// Starts an outpostd with the source "report", and reports N daemons to it from this process,
// each by a stream of its own, on some connections. First each sends as many batches as the
// manager keeps samples, as fast as they are acknowledged: that is the rate at which the
// manager (and this process, on the same machine) can take them, and its memory is full then.
// After that each sends a batch an interval, at times spread evenly over it, and every counter
// changes each time. A report is as late as its acknowledgement comes after the time at which it
// was due, whatever held it up. Exits with 1 where a row misses its bar.
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "outpost/v1/ingest.grpc.pb.h"
#include "server/cluster/perf_counters.h"
#include "tests/bench/rows.h"

extern char** environ;

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kWarmUp = cluster::PerfCounters::kSamples;

struct Settings {
  int daemons = 10'000;
  int counters = 100;
  int connections = 16;
  double interval = 5;  // seconds
  double seconds = 30;
  std::string json_file;
};

[[noreturn]] void Die(const std::string& words) {
  std::fprintf(stderr, "report_bench: %s\n", words.c_str());
  std::exit(1);
}

// The manager, which ends with its owner.
class Manager {
 public:
  Manager(const std::string& program, const std::string& directory, double interval, int daemons) {
    std::vector<std::string> argv = {program,
                                     "--data-dir",
                                     directory + "/data",
                                     "--run-dir",
                                     directory + "/run",
                                     "--log-file",
                                     directory + "/log",
                                     "--module-path",
                                     "/nowhere",
                                     "--source",
                                     "report",
                                     "--report-interval",
                                     absl::StrCat(interval),
                                     "--report-lease",
                                     absl::StrCat(12 * interval),
                                     "--report-drop-after",
                                     absl::StrCat(24 * interval),
                                     "--report-max-daemons",
                                     absl::StrCat(daemons)};
    std::vector<char*> words;
    words.reserve(argv.size() + 1);
    for (auto& word : argv) words.push_back(word.data());
    words.push_back(nullptr);
    if (posix_spawn(&pid_, words[0], nullptr, nullptr, words.data(), environ) != 0) Die(program);
  }
  ~Manager() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  // The CPU time that it has used, of all its threads.
  absl::Duration Cpu() const {
    std::ifstream file(absl::StrCat("/proc/", pid_, "/stat"));
    std::string text((std::istreambuf_iterator<char>(file)), {});
    text.erase(0, text.rfind(')') + 2);  // from the third field on
    long user = 0;
    long system = 0;
    if (std::sscanf(text.c_str(), "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user,
                    &system) != 2) {
      Die("/proc/PID/stat is not as it was");
    }
    return absl::Seconds(static_cast<double>(user + system) /
                         static_cast<double>(sysconf(_SC_CLK_TCK)));
  }
  // Its memory in MB.
  double Rss() const {
    std::ifstream file(absl::StrCat("/proc/", pid_, "/statm"));
    size_t size = 0;
    size_t resident = 0;
    file >> size >> resident;
    return static_cast<double>(resident * static_cast<size_t>(sysconf(_SC_PAGESIZE))) / 1e6;
  }

 private:
  pid_t pid_ = 0;
};

// One daemon: its stream. Warm-up batches follow each other; the others come from Send.
class Daemon final : public grpc::ClientBidiReactor<v1::ReportRequest, v1::ReportResponse> {
 public:
  // `warm` is counted up when the warm-up is over.
  Daemon(v1::Ingest::Stub& stub, int number, int counters, std::atomic<int>* warm)
      : counters_(counters), warm_(warm) {
    request_.set_sequence(1);
    v1::IngestHello& hello = *request_.mutable_hello();
    hello.set_service_type("bench");
    hello.set_daemon_id(absl::StrCat(number));
    hello.set_hostname(absl::StrCat("host", number % 1000));
    hello.set_instance("bench");
    hello.add_protocol_versions(1);
    stub.async()->Report(&context_, this);
    StartWrite(&request_);
    StartRead(&response_);
    StartCall();
  }

  // A report is due since `when`.
  void Send(absl::Time when) {
    absl::MutexLock lock(&mu_);
    if (due_ != absl::InfinitePast()) return;  // the last one is late: that one counts
    due_ = when;
    if (!writing_ && ready_) Write();
  }

  // How late each report was, in seconds; the one that is still on its way, until now.
  std::vector<float> TakeLateness() {
    absl::MutexLock lock(&mu_);
    if (due_ != absl::InfinitePast()) {
      late_.push_back(static_cast<float>(absl::ToDoubleSeconds(absl::Now() - due_)));
    }
    return std::move(late_);
  }

  void End() { context_.TryCancel(); }
  void Wait() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&done_));
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mu_);
    writing_ = false;
    if (!ok) return;
    if (request_.has_hello()) {
      Schema();
    } else if (request_.has_perf_schema()) {
      ready_ = true;
      due_ = absl::Now();
      Write();
    } else if (acknowledged_early_) {
      acknowledged_early_ = false;
      Acknowledged();
    }
  }

  void OnReadDone(bool ok) override {
    absl::MutexLock lock(&mu_);
    if (!ok) return;
    if (response_.has_rejected()) Die(response_.rejected().message());
    if (response_.ack().sequence() == sequence_ && request_.has_counters()) {
      if (writing_) {
        acknowledged_early_ = true;
      } else {
        Acknowledged();
      }
    }
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    absl::MutexLock lock(&mu_);
    if (status.error_code() != grpc::StatusCode::CANCELLED) Die(status.error_message());
    done_ = true;
  }

 private:
  void Schema() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    request_.set_sequence(++sequence_);
    v1::IngestPerfSchema& schema = *request_.mutable_perf_schema();
    schema.set_version(1);
    for (int i = 0; i < counters_; ++i) {
      v1::IngestCounterDescription& counter = *schema.add_counters();
      counter.set_path(absl::StrFormat("bench.counter_%03d", i));
      counter.set_description("One of those that a daemon has");
      counter.set_priority(5);
      const bool average = i % 10 == 9;
      counter.set_kind(average ? v1::IngestCounterDescription::KIND_LONG_RUNNING_AVERAGE
                               : v1::IngestCounterDescription::KIND_COUNTER);
    }
    writing_ = true;
    StartWrite(&request_);
  }

  void Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    request_.set_sequence(++sequence_);
    v1::IngestCounters& batch = *request_.mutable_counters();
    batch.Clear();
    batch.set_schema_version(1);
    for (int i = 0; i < counters_; ++i) {
      const uint64_t value = 1'000'000 + sequence_ * 1000 + static_cast<uint64_t>(i);
      if (i % 10 == 9) {
        batch.add_average_indexes(static_cast<uint32_t>(i));
        batch.add_average_sums(value * 1000);
        batch.add_average_counts(value);
      } else {
        batch.add_indexes(static_cast<uint32_t>(i));
        batch.add_values(value);
      }
    }
    writing_ = true;
    StartWrite(&request_);
  }

  void Acknowledged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const absl::Time now = absl::Now();
    if (warmed_ < kWarmUp) {
      if (++warmed_ == kWarmUp) {
        due_ = absl::InfinitePast();
        ++*warm_;
      } else {
        Write();
      }
      return;
    }
    late_.push_back(static_cast<float>(absl::ToDoubleSeconds(now - due_)));
    due_ = absl::InfinitePast();
  }

  const int counters_;
  std::atomic<int>* const warm_;
  grpc::ClientContext context_;

  absl::Mutex mu_;
  v1::ReportRequest request_ ABSL_GUARDED_BY(mu_);
  v1::ReportResponse response_ ABSL_GUARDED_BY(mu_);
  uint64_t sequence_ ABSL_GUARDED_BY(mu_) = 1;
  size_t warmed_ ABSL_GUARDED_BY(mu_) = 0;
  bool writing_ ABSL_GUARDED_BY(mu_) = true;
  bool ready_ ABSL_GUARDED_BY(mu_) = false;
  bool acknowledged_early_ ABSL_GUARDED_BY(mu_) = false;  // before its write was done
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time due_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();  // past: nothing is
  std::vector<float> late_ ABSL_GUARDED_BY(mu_);
};

std::vector<std::unique_ptr<v1::Ingest::Stub>> Connect(const std::string& socket, int connections) {
  std::vector<std::unique_ptr<v1::Ingest::Stub>> stubs;
  for (int i = 0; i < connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel =
        grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(20))) {
      Die(socket + " does not answer");
    }
    stubs.push_back(v1::Ingest::NewStub(channel));
  }
  return stubs;
}

void WaitFor(const std::function<bool()>& reached, const char* what) {
  const absl::Time deadline = absl::Now() + absl::Minutes(3);
  while (!reached()) {
    if (absl::Now() > deadline) Die(what);
    absl::SleepFor(absl::Milliseconds(5));
  }
}

int Main(const Settings& settings) {
  char pattern[] = "/tmp/outpost-bench-XXXXXX";
  const std::string directory = mkdtemp(pattern);
  std::vector<Row> rows;
  {
    const Manager manager((fs::current_path() / "server/outpostd").string(), directory,
                          settings.interval, settings.daemons);
    const std::string socket = directory + "/run/outpost.sock";
    WaitFor([&] { return fs::exists(socket); }, "the manager does not listen");
    const double empty = manager.Rss();
    const auto stubs = Connect(socket, settings.connections);

    std::atomic<int> warm = 0;
    std::vector<std::unique_ptr<Daemon>> daemons;
    const absl::Time began = absl::Now();
    const absl::Duration cpu_began = manager.Cpu();
    for (int i = 0; i < settings.daemons; ++i) {
      auto& stub = *stubs[static_cast<size_t>(i) % stubs.size()];
      daemons.push_back(std::make_unique<Daemon>(stub, i, settings.counters, &warm));
    }
    WaitFor([&] { return warm == settings.daemons; }, "the daemons are not all heard");
    const double warm_up = absl::ToDoubleSeconds(absl::Now() - began);
    const double reports = static_cast<double>(settings.daemons) * kWarmUp;
    std::fprintf(stderr,
                 "  %d daemons came and sent %zu reports each in %.1f s: %.0f reports/s, "
                 "%.1f us of the manager's CPU each\n",
                 settings.daemons, kWarmUp, warm_up, reports / warm_up,
                 absl::ToDoubleMicroseconds(manager.Cpu() - cpu_began) / reports);

    const absl::Duration gap = absl::Seconds(settings.interval) / settings.daemons;
    const absl::Time start = absl::Now();
    const absl::Duration cpu_start = manager.Cpu();
    const auto count = static_cast<int64_t>(absl::Seconds(settings.seconds) / gap);
    for (int64_t n = 0; n < count; ++n) {
      const absl::Time due = start + gap * n;
      absl::SleepFor(due - absl::Now());
      daemons[static_cast<size_t>(n % settings.daemons)]->Send(due);
    }
    const absl::Duration took = absl::Now() - start;
    const absl::Duration cpu = manager.Cpu() - cpu_start;
    const double rss = manager.Rss();
    absl::SleepFor(absl::Seconds(1));  // what is not acknowledged then is too late
    std::vector<float> late;
    for (const auto& daemon : daemons) {
      const auto of_daemon = daemon->TakeLateness();
      late.insert(late.end(), of_daemon.begin(), of_daemon.end());
    }
    std::sort(late.begin(), late.end());
    if (static_cast<int64_t>(late.size()) < count) Die("some reports were skipped");
    std::fprintf(
        stderr, "  then %zu reports in %.1f s; late p50 %.2f ms, p99 %.2f ms, the latest %.2f ms\n",
        late.size(), absl::ToDoubleSeconds(took), late[late.size() / 2] * 1e3,
        late[late.size() * 99 / 100] * 1e3, late.back() * 1e3);
    const std::string what = absl::StrFormat("%d daemons, %d counters, %g s", settings.daemons,
                                             settings.counters, settings.interval);
    const double share = absl::ToDoubleSeconds(cpu) / absl::ToDoubleSeconds(took);
    const double values = static_cast<double>(settings.daemons) * settings.counters *
                          static_cast<double>(kWarmUp) * sizeof(double) / 1e6;
    rows.push_back({what + ": CPU (unit: a core)", share * 1e3, 1e3, "ms/s", share, 0.5, true});
    rows.push_back({what + ": the latest report (unit: 1 s)", late.back() * 1e3, 1e3, "ms",
                    late.back(), 1, true});
    rows.push_back({what + ": memory (unit: the samples)", rss - empty, values, "MB",
                    (rss - empty) / values, 0, true});
    for (const auto& daemon : daemons) daemon->End();
    for (const auto& daemon : daemons) daemon->Wait();
  }
  fs::remove_all(directory);
  return Report(rows, settings.json_file) ? 0 : 1;
}

}  // namespace
}  // namespace outpost::bench

// What fails ends it, also by an exception. NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  // As outpostd and modules do.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  outpost::bench::Settings settings;
  CLI::App app("what daemons that report cost the manager", "report_bench");
  app.add_option("--daemons", settings.daemons)->capture_default_str();
  app.add_option("--counters", settings.counters, "of each daemon")->capture_default_str();
  app.add_option("--connections", settings.connections)->capture_default_str();
  app.add_option("--interval", settings.interval, "seconds between a daemon's reports")
      ->capture_default_str();
  app.add_option("--seconds", settings.seconds, "of the measurement")->capture_default_str();
  app.add_option("--json", settings.json_file, "also write the rows to this file, as JSON");
  CLI11_PARSE(app, argc, argv);
  return outpost::bench::Main(settings);
}
