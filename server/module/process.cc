#include "server/module/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/event/thread_role.h"
#include "server/log/log.h"

extern char** environ;

namespace outpost::module {
namespace {

constexpr int kTokenFd = 3;
constexpr int kSpecFd = 4;  // see launch_main.cc
constexpr int kReportFd = 5;
constexpr int kFirstFreeFd = 6;
constexpr uint64_t kStopKey = 0;
constexpr size_t kReadAtOnce = size_t{64} << 10;  // of one process, before others have their turn
constexpr size_t kReadAtEnd = size_t{1} << 20;    // no FIFO holds more
// In an epoll key: the output, and not the pidfd.
constexpr uint64_t kOutputBit = uint64_t{1} << 63;

std::string ErrnoText(int error) { return strerrordesc_np(error); }

// glibc 2.36 of Debian 12 has wrappers for neither under every feature macro.
int PidfdOpen(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }
int PidfdSendSignal(int pidfd, int signal) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

absl::Status ExecuteError(const std::string& program, int error) {
  const std::string what = absl::StrCat("can't execute ", program, ": ", ErrnoText(error));
  switch (error) {
    case ENOENT:
      if (absl::StrContains(program, '/') && access(program.c_str(), F_OK) == 0) {
        return absl::NotFoundError(
            absl::StrCat(what, " (it is there: is what its first line names after #! there too?)"));
      }
      return absl::NotFoundError(what);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(absl::StrCat(what, " (is it executable? chmod +x)"));
    case ENOEXEC:
      return absl::InvalidArgumentError(
          absl::StrCat(what, " (a script needs a first line such as #!/usr/bin/python3)"));
    default:
      return absl::UnavailableError(what);
  }
}

std::vector<std::string> Environment(const ProcessSpec& spec) {
  std::map<std::string, std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::pair<std::string, std::string> nv =
        absl::StrSplit(*variable, absl::MaxSplits('=', 1));
    variables[nv.first] = nv.second;
  }
  for (const auto& [name, value] : spec.environment) variables[name] = value;
  variables["OUTPOST_TOKEN_FD"] = absl::StrCat(kTokenFd);
  std::vector<std::string> result;
  result.reserve(variables.size());
  for (const auto& [name, value] : variables) result.push_back(absl::StrCat(name, "=", value));
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  result.reserve(words.size() + 1);
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

struct Pipe {
  OwnedFd read_end;
  OwnedFd write_end;
};

// Its descriptors are none of those that the child is given others as.
absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::UnavailableError(absl::StrCat("pipe: ", ErrnoText(errno)));
  }
  const OwnedFd low_read(ends[0]);
  const OwnedFd low_write(ends[1]);
  Pipe pipe{.read_end = OwnedFd(fcntl(ends[0], F_DUPFD_CLOEXEC, kFirstFreeFd)),
            .write_end = OwnedFd(fcntl(ends[1], F_DUPFD_CLOEXEC, kFirstFreeFd))};
  if (!pipe.read_end.valid() || !pipe.write_end.valid()) {
    return absl::UnavailableError(absl::StrCat("pipe: ", ErrnoText(errno)));
  }
  return pipe;
}

// A pipe's read end that holds `text` and then ends.
absl::StatusOr<OwnedFd> PipeWith(const std::string& text) {
  absl::StatusOr<Pipe> pipe = MakePipe();
  if (!pipe.ok()) return pipe.status();
  // A pipe takes 64 KiB without a reader, or at the least 4096 bytes.
  fcntl(pipe->write_end.get(), F_SETFL, O_NONBLOCK);
  if (write(pipe->write_end.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return absl::UnavailableError(absl::StrCat("pipe: ", ErrnoText(errno)));
  }
  return std::move(pipe->read_end);
}

absl::StatusOr<OwnedFd> OpenFifo(const std::string& path, int flags) {
  OwnedFd fd(open(path.c_str(), flags | O_CLOEXEC));
  if (!fd.valid()) {
    return absl::UnavailableError(absl::StrCat(path, ": ", ErrnoText(errno)));
  }
  return fd;
}

}  // namespace

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}

std::string ExitStatus::ToString() const {
  switch (kind) {
    case Kind::kExited:
      return absl::StrCat("exit status ", number);
    case Kind::kSignalled: {
      const char* description = sigdescr_np(number);
      return absl::StrCat("signal ", number, " (", description == nullptr ? "?" : description, ")",
                          core_dumped ? ", core dumped" : "",
                          out_of_memory ? ", out of memory: it came over its limit" : "");
    }
    case Kind::kUnknown:
      break;
  }
  return "ended; how is not known";
}

absl::StatusOr<uint64_t> StartTicks(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::stringstream buffer;
  buffer << file.rdbuf();
  const std::string text = buffer.str();
  // The second field is the program's name in parentheses, which may hold
  // anything; the third follows the last ')'.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) {
    return absl::NotFoundError(absl::StrCat("there is no process ", pid));
  }
  const std::vector<std::string> fields = absl::StrSplit(text.substr(name_end + 1), ' ');
  uint64_t ticks = 0;
  constexpr size_t kStartTime = 20;  // field 22, counted from the ' ' before field 3
  if (fields.size() <= kStartTime || !absl::SimpleAtoi(fields[kStartTime], &ticks)) {
    return absl::InternalError(absl::StrCat("/proc/", pid, "/stat can't be read"));
  }
  return ticks;
}

void Process::Signal(int signal) const { PidfdSendSignal(pidfd_.get(), signal); }

std::string BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

void Process::KillGroup() const {
  // The pid is not given to another process while this one is there, dead or
  // alive, or while its group is; so who has neither has nothing to kill.
  const bool there = PidfdSendSignal(pidfd_.get(), 0) == 0;
  if (there || (kill(pid_, 0) != 0 && errno == ESRCH)) kill(-pid_, SIGKILL);
}

bool Process::Ended() const {
  pollfd end = {.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  return poll(&end, 1, 0) == 1;
}

void Process::ReadReport() const {
  while (!report_over_) {
    char buffer[4096];
    const ssize_t n = read(report_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) {
      report_over_ = true;
      report_ = OwnedFd();
      break;
    }
    report_text_.append(buffer, static_cast<size_t>(n));
  }
  // Each line is a whole report; the last one counts.
  const size_t end = report_text_.rfind('\n');
  if (end == std::string::npos) return;
  const size_t begin = end == 0 ? std::string::npos : report_text_.rfind('\n', end - 1);
  const size_t from = begin == std::string::npos ? 0 : begin + 1;
  if (auto told = ParseLaunchReport(report_text_.substr(from, end - from))) {
    isolation_ = std::move(told->measures);
  }
}

Process::Launch Process::launch() const {
  absl::MutexLock lock(&mu_);
  ReadReport();
  return {.group = group_, .isolation = isolation_};
}

bool Process::launched() const {
  absl::MutexLock lock(&mu_);
  ReadReport();
  return report_over_;
}

void Process::CloseReport() {
  absl::MutexLock lock(&mu_);
  report_over_ = true;
  report_ = OwnedFd();
}

std::optional<LaunchReport> Process::LastReport() const {
  absl::MutexLock lock(&mu_);
  ReadReport();
  absl::string_view text = absl::StripSuffix(report_text_, "\n");
  const size_t end = text.rfind('\n');
  return ParseLaunchReport(end == absl::string_view::npos ? text : text.substr(end + 1));
}

std::optional<metrics::ProcessUsage> Process::Usage() const {
  std::optional<metrics::ProcessUsage> usage = metrics::ReadProcessUsage(pid_);
  // Alive afterwards: so it was this process, and not a later one of its pid.
  if (usage && PidfdSendSignal(pidfd_.get(), 0) != 0) usage.reset();
  return usage;
}

ProcessRunner::ProcessRunner(std::string launcher)
    : launcher_(std::move(launcher)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      stop_(eventfd(0, EFD_CLOEXEC)) {
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = kStopKey}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event);
  thread_ = std::thread([this] { Run(); });
}

ProcessRunner::~ProcessRunner() { Stop(); }

void ProcessRunner::Stop() {
  eventfd_write(stop_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<std::shared_ptr<Process>> ProcessRunner::Spawn(const ProcessSpec& spec,
                                                              ProcessCallbacks callbacks) {
  unlink(spec.output_fifo.c_str());
  if (mkfifo(spec.output_fifo.c_str(), 0600) != 0) {
    return absl::UnavailableError(absl::StrCat(spec.output_fifo, ": ", ErrnoText(errno)));
  }
  absl::StatusOr<OwnedFd> output = OpenFifo(spec.output_fifo, O_RDONLY | O_NONBLOCK);
  if (!output.ok()) return output.status();
  absl::StatusOr<OwnedFd> theirs = OpenFifo(spec.output_fifo, O_RDWR);
  if (!theirs.ok()) return theirs.status();
  absl::StatusOr<OwnedFd> token = PipeWith(spec.token);
  if (!token.ok()) return token.status();
  // Of a process, not of a module: while one is replaced there are two.
  Process::Launch launch;
  std::vector<WantedLimit> limits;
  {
    const std::string group = absl::StrCat(spec.name, ".", absl::Hex(absl::GetCurrentTimeNanos()));
    absl::MutexLock lock(&groups_mu_);
    limits = groups_.Prepare(group, spec.limits);
    if (!limits.empty()) launch.group = group;
  }
  const auto end_group = [&](const absl::Status& status) {
    EndGroup(launch.group);
    return status;
  };
  absl::StatusOr<OwnedFd> orders =
      PipeWith(ToText(LaunchSpec{.argv = spec.argv,
                                 .directory = spec.directory,
                                 .limits = spec.limits,
                                 .sandbox = spec.sandbox,
                                 .groups = std::move(limits),
                                 .kept = spec.kept,
                                 .scheduling = sched_getscheduler(getpid())}));
  if (!orders.ok()) return end_group(orders.status());
  absl::StatusOr<Pipe> report = MakePipe();
  if (!report.ok()) return end_group(report.status());

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const auto destroy = absl::MakeCleanup([&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  });
  // dup2 clears close-on-exec; nothing else of the manager's reaches the module.
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, theirs->get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, theirs->get(), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, token->get(), kTokenFd);
  posix_spawn_file_actions_adddup2(&actions, orders->get(), kSpecFd);
  posix_spawn_file_actions_adddup2(&actions, report->write_end.get(), kReportFd);
  posix_spawn_file_actions_addclosefrom_np(&actions, kFirstFreeFd);
  sigset_t none;
  sigemptyset(&none);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> argv = {launcher_};
  std::vector<std::string> environment = Environment(spec);
  pid_t pid = 0;
  if (const int error = posix_spawn(&pid, launcher_.c_str(), &actions, &attributes,
                                    Pointers(argv).data(), Pointers(environment).data());
      error != 0) {
    return end_group(
        absl::UnavailableError(absl::StrCat("can't execute ", launcher_, ": ", ErrnoText(error))));
  }
  report->write_end = OwnedFd();
  fcntl(report->read_end.get(), F_SETFL, O_NONBLOCK);
  Watched watched;
  watched.callbacks = std::move(callbacks);
  watched.output = *std::move(output);
  watched.program = spec.argv[0];
  watched.directory = spec.directory;
  // Not reaped yet, so that the pid is still this process's.
  absl::StatusOr<uint64_t> ticks = StartTicks(pid);
  auto process =
      Watch(pid, ticks.value_or(0), launch, std::move(report->read_end), std::move(watched));
  if (!process.ok()) {
    // No descriptor was left to hold it by: it must not go on unwatched.
    kill(-pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return end_group(absl::UnavailableError(
        absl::StrCat("can't watch ", spec.argv[0], ": ", process.status().message())));
  }
  return process;
}

absl::StatusOr<std::shared_ptr<Process>> ProcessRunner::Adopt(pid_t pid, uint64_t start_ticks,
                                                              const std::string& output_fifo,
                                                              Process::Launch launch,
                                                              ProcessCallbacks callbacks) {
  absl::StatusOr<OwnedFd> output = OpenFifo(output_fifo, O_RDONLY | O_NONBLOCK);
  Watched watched;
  watched.callbacks = std::move(callbacks);
  if (output.ok()) watched.output = *std::move(output);
  return Watch(pid, start_ticks, std::move(launch), OwnedFd(), std::move(watched));
}

void ProcessRunner::EndGroup(const std::string& group) {
  if (group.empty()) return;
  absl::MutexLock lock(&groups_mu_);
  groups_.Remove(group);
}

absl::StatusOr<std::shared_ptr<Process>> ProcessRunner::Watch(pid_t pid, uint64_t start_ticks,
                                                              Process::Launch launch,
                                                              OwnedFd report, Watched of) {
  OwnedFd pidfd(PidfdOpen(pid));
  if (!pidfd.valid()) {
    return absl::NotFoundError(absl::StrCat("process ", pid, ": ", ErrnoText(errno)));
  }
  // The pidfd is of whatever has the pid now: is that still the one meant?
  const absl::StatusOr<uint64_t> ticks = StartTicks(pid);
  if (!ticks.ok() || *ticks != start_ticks) {
    return absl::NotFoundError(absl::StrCat("process ", pid, " has ended"));
  }
  auto watched = std::make_shared<Watched>(std::move(of));
  watched->process = std::make_shared<Process>(pid, start_ticks, std::move(pidfd),
                                               std::move(launch), std::move(report));
  std::shared_ptr<Process> process = watched->process;
  absl::MutexLock lock(&mu_);
  const uint64_t key = next_key_++;
  const int process_fd = process->pidfd_.get();
  const int output_fd = watched->output.get();
  watched_.emplace(key, std::move(watched));
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = key}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, process_fd, &event);
  if (output_fd >= 0) {
    event.data.u64 = key | kOutputBit;
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, output_fd, &event);
  }
  return process;
}

void ProcessRunner::Run() {
  event::BeginBackground("processes");
  while (true) {
    epoll_event event;
    const int n = epoll_wait(epoll_.get(), &event, 1, -1);
    if (n < 0 && errno == EINTR) continue;
    if (event.data.u64 == kStopKey) return;
    const uint64_t key = event.data.u64 & ~kOutputBit;
    std::shared_ptr<Watched> watched;
    {
      absl::MutexLock lock(&mu_);
      auto it = watched_.find(key);
      if (it == watched_.end()) continue;
      watched = it->second;
    }
    ReadOutput(*watched, kReadAtOnce);
    if ((event.data.u64 & kOutputBit) != 0) continue;
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched->process->pidfd_.get(), nullptr);
    {
      absl::MutexLock lock(&mu_);
      watched_.erase(key);
    }
    HandleExit(*watched);
  }
}

void ProcessRunner::ReadOutput(Watched& watched, size_t limit) {
  if (!watched.output.valid()) return;
  char buffer[8192];
  for (size_t total = 0; total < limit;) {
    const ssize_t n = read(watched.output.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;  // EAGAIN: nothing more for now
    if (n == 0) {
      // Every writer is gone: the level-triggered event would come again and again.
      watched.output = OwnedFd();
      return;
    }
    total += static_cast<size_t>(n);
    absl::string_view text(buffer, static_cast<size_t>(n));
    while (!text.empty()) {
      const absl::string_view part =
          text.substr(0, std::min(text.find('\n'), kMaxLine - watched.partial_line.size()));
      watched.partial_line.append(part.data(), part.size());
      text.remove_prefix(part.size());
      if (text.empty()) break;
      // What follows is the end of the line, or more than one line holds.
      if (text.front() == '\n') text.remove_prefix(1);
      watched.callbacks.on_output(watched.partial_line);
      watched.partial_line.clear();
    }
  }
}

absl::Status ProcessRunner::LaunchStatus(const Watched& watched) const {
  if (watched.program.empty()) return absl::OkStatus();  // not started here
  const auto told = watched.process->LastReport();
  if (!told) {
    return absl::UnavailableError(
        absl::StrCat("can't execute ", watched.program, ": ", launcher_, " ended"));
  }
  if (told->error == 0) return absl::OkStatus();
  for (const Measure& measure : told->measures) {
    if (measure.name != "user" || measure.applied) continue;
    return absl::PermissionDeniedError(absl::StrCat(
        "can't execute ", watched.program, " as user ", measure.wanted, ": ", measure.how,
        "; make that user, start outpostd as root, or take `user` out of the module's settings"));
  }
  if (told->no_directory) {
    return absl::NotFoundError(absl::StrCat("can't execute ", watched.program, " in ",
                                            watched.directory, ": ", ErrnoText(told->error)));
  }
  return ExecuteError(watched.program, told->error);
}

void ProcessRunner::HandleExit(Watched& watched) {
  // What the module has started and left behind goes with it: the zombie still
  // holds the pid, and so the group.
  watched.process->KillGroup();
  ReadOutput(watched, kReadAtEnd);
  if (!watched.partial_line.empty()) watched.callbacks.on_output(watched.partial_line);
  ExitStatus status;
  status.launch = LaunchStatus(watched);
  watched.process->CloseReport();
  siginfo_t info = {};
  if (waitid(P_PIDFD, static_cast<id_t>(watched.process->pidfd_.get()), &info, WEXITED) == 0) {
    status.kind =
        info.si_code == CLD_EXITED ? ExitStatus::Kind::kExited : ExitStatus::Kind::kSignalled;
    status.number = info.si_status;
    status.core_dumped = info.si_code == CLD_DUMPED;
  }
  if (const std::string& group = watched.process->launch().group; !group.empty()) {
    absl::MutexLock lock(&groups_mu_);
    status.out_of_memory =
        status.kind != ExitStatus::Kind::kExited && groups_.WasOutOfMemory(group);
    groups_.Remove(group);
  }
  log::Get("module").debug("process {} ended: {}", watched.process->pid(), status.ToString());
  watched.callbacks.on_exit(status);
}

}  // namespace outpost::module
