#include "server/cluster/ceph/ceph_source.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"
#include "server/cluster/ceph/ceph_structures.h"
#include "server/cluster/ceph/command_json.h"
#include "server/cluster/ceph/daemon_poller.h"
#include "server/cluster/ceph/monitor_query.h"
#include "server/event/thread_role.h"
#include "server/log/log.h"

namespace outpost::cluster::ceph {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(250);
constexpr absl::Duration kLastBackoff = absl::Seconds(2);
// Structures of daemons are fetched during at most a fifth of the time.
constexpr int kRestAfterDaemons = 4;

command::Result Failure(int error, absl::string_view why) { return {-error, "", std::string(why)}; }

std::string PrefixOf(absl::string_view command_json) {
  const std::optional<CommandJson> command = ReadCommand(command_json);
  return command.has_value() ? command->prefix : "";
}

// Why a command can't be sent at all; nullopt: it can.
std::optional<command::Result> Objection(const ClusterCommand& command) {
  int osd = 0;
  if (command.service_type == "mds") {
    return Failure(EOPNOTSUPP,
                   "commands for an mds are not supported: they need libcephfs; use `ceph tell`");
  }
  if (command.service_type == "mgr" && !command.service_id.empty()) {
    return Failure(EOPNOTSUPP,
                   absl::StrCat("mgr.", command.service_id,
                                ": only the active mgr takes commands: name no service id"));
  }
  if (command.service_type == "osd" && (!absl::SimpleAtoi(command.service_id, &osd) || osd < 0)) {
    return Failure(EINVAL, absl::StrCat("invalid osd id \"", command.service_id,
                                        "\": it is a number, like 0"));
  }
  if (command.service_type == "pg" && command.service_id.empty()) {
    return Failure(EINVAL, "a command for a pg needs its id, like 1.0");
  }
  if (command.service_type != "mon" && command.service_type != "mgr" &&
      command.service_type != "osd" && command.service_type != "pg") {
    return Failure(EINVAL, absl::StrCat("unknown service type \"", command.service_type,
                                        "\": it is one of mon, mgr, osd, pg"));
  }
  return std::nullopt;
}

}  // namespace

CephSource::CephSource(CephOptions options, ClusterState* state, PerfCounters* counters)
    : options_(std::move(options)),
      state_(*state),
      denied_(options_.name, state),
      counter_poller_(
          counters, options_.counter_interval, options_.counter_threads,
          [this](const std::string& type, const std::string& id, absl::string_view command) {
            return AskForCounters(type, id, command);
          }),
      pool_(options_.command_threads, options_.max_waiting_commands,
            [this](const ClusterCommand& command) { return Execute(command); }) {}

CephSource::~CephSource() { Stop(); }

RadosSettings CephSource::Settings(absl::Duration command_timeout) const {
  return {.conf_file = options_.conf_file,
          .keyring = options_.keyring,
          .name = options_.name,
          .cluster = options_.cluster,
          .connect_timeout = options_.monitor_timeout,
          .command_timeout = command_timeout};
}

absl::Status CephSource::Start() {
  const absl::StatusOr<std::unique_ptr<RadosClient>> probe =
      RadosClient::Create(Settings(options_.monitor_timeout));
  if (!probe.ok()) return probe.status();
  SetDisconnected(absl::StrCat("connecting to the monitors at ", (*probe)->monitors()));
  monitors_thread_ = std::thread([this] { WatchMonitors(); });
  daemons_thread_ = std::thread([this] { WatchDaemons(); });
  return absl::OkStatus();
}

void CephSource::Stop() {
  {
    absl::MutexLock lock(&mu_);
    if (stopping_) return;
    stopping_ = true;
    news_.SignalAll();
  }
  pool_.Stop();
  counter_poller_.Stop();
  if (!monitors_thread_.joinable()) return;
  monitors_thread_.join();
  daemons_thread_.join();
  ClientsPtr doomed;
  {
    absl::MutexLock lock(&mu_);
    doomed = std::move(clients_);
  }
  SetDisconnected("the manager has left the cluster");
}

void CephSource::OnCommandsChanged(std::function<void()> listener) {
  on_commands_changed_ = std::move(listener);
}

void CephSource::OnLog(
    const std::function<void(const std::string& who, v1::LogRecord line)>& listener) {
  on_log_ = listener;
}

void CephSource::FollowLog(Clients* clients) {
  log_lines_.SetOwnAddress(clients->commands->own_addresses());
  const absl::Status status = clients->polls->FollowLog(
      [this](const char* channel, const char* rank, const char* name, absl::Time time,
             uint64_t sequence, const char* level, const char* message) {
        std::optional<v1::LogRecord> line = log_lines_.Received({.channel = channel,
                                                                 .rank = rank,
                                                                 .name = name,
                                                                 .time = time,
                                                                 .sequence = sequence,
                                                                 .level = level,
                                                                 .message = message});
        if (line.has_value() && on_log_) on_log_(name, *std::move(line));
      });
  if (!status.ok()) log::Get("cluster").warn("ceph: {}", std::string(status.message()));
}

void CephSource::WriteLog(const v1::LogRecord& line) {
  const auto complain = [this](absl::string_view why) {
    if (complained_of_log_.exchange(true)) return;
    log::Get("cluster").warn("ceph: lines of modules do not reach the cluster's log: {}",
                             std::string(why));
  };
  std::optional<std::string> text = log_lines_.Send(line);
  if (!text.has_value()) return complain("too many at once");
  const nlohmann::json command = {{"prefix", "log"}, {"logtext", {*text}}};
  RunCommand(
      {.service_type = "mon",
       .service_id = "",
       .command_json = command.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
       .inbuf = "",
       .deadline = internal::SteadyNow() + options_.command_timeout},
      [this, complain, text = *std::move(text)](const command::Result& result) {
        log_lines_.Sent(text, result.retval == 0);
        if (result.retval != 0) return complain(result.err);
        complained_of_log_ = false;
      });
}

std::vector<command::Declaration> CephSource::Commands() const {
  absl::MutexLock lock(&mu_);
  return descriptions_.commands;
}

void CephSource::RunCommand(ClusterCommand command, command::ResultCallback done) {
  if (std::optional<command::Result> objection = Objection(command); objection.has_value()) {
    done(*std::move(objection));
    return;
  }
  std::optional<CommandJson> read = ReadCommand(command.command_json);
  if (!read.has_value()) {
    done(Failure(EINVAL, "the command is not a JSON object with a \"prefix\""));
    return;
  }
  command.command_json = std::move(read->text);
  std::string lane = absl::StrCat(command.service_type, ".", command.service_id);
  std::optional<std::string> unreachable;
  {
    absl::MutexLock lock(&mu_);
    if (!connected_ && !stopping_) unreachable = reason_;
    if (command.service_type == "mon" && descriptions_.served_by_mgr.contains(read->prefix)) {
      lane = "mgr.";
    }
  }
  if (unreachable.has_value()) {
    done(Failure(ENOTCONN, absl::StrCat("the cluster can't be reached: ", *unreachable)));
    return;
  }
  pool_.Submit(std::move(lane), std::move(command), std::move(done));
}

command::Result CephSource::Ask(const Clients& clients, absl::string_view command_json) {
  if (stopping()) return Failure(ESHUTDOWN, "the source stops");
  command::Result result = clients.polls->MonCommand(command_json, "");
  denied_.Note(absl::StrCat("\"", PrefixOf(command_json), "\""), "mon 'allow r' or mgr 'allow r'",
               result);
  return result;
}

command::Result CephSource::AskMonitor(const Clients& clients, absl::string_view mon,
                                       absl::string_view command_json) {
  if (stopping()) return Failure(ESHUTDOWN, "the source stops");
  command::Result result = clients.polls->TellMon(mon, command_json, "");
  denied_.Note("mon_status", "mon 'allow *'", result);
  return result;
}

command::Result CephSource::AskForCounters(const std::string& type, const std::string& id,
                                           absl::string_view command_json) {
  // Only OSDs: librados loses memory with each question to one monitor (see RadosClient).
  int osd = 0;
  const ClientsPtr clients = this->clients();
  if (stopping() || clients == nullptr || type != "osd" || !absl::SimpleAtoi(id, &osd)) {
    return Failure(ENOTCONN, "there is no way to it now");
  }
  command::Result result = clients->polls->OsdCommand(osd, command_json, "");
  denied_.Note("the counters of OSDs", "osd 'allow *'", result);
  return result;
}

command::Result CephSource::Execute(const ClusterCommand& command) {
  const ClientsPtr clients = this->clients();
  if (clients == nullptr) return Failure(ENOTCONN, "the connection to the cluster was given up");
  RadosClient& client = *clients->commands;
  command::Result result;
  if (command.service_type == "osd") {
    int osd = 0;
    (void)absl::SimpleAtoi(command.service_id, &osd);  // Objection has checked it
    result = client.OsdCommand(osd, command.command_json, command.inbuf);
  } else if (command.service_type == "pg") {
    result = client.PgCommand(command.service_id, command.command_json, command.inbuf);
  } else if (command.service_type == "mon" && !command.service_id.empty()) {
    result = client.TellMon(command.service_id, command.command_json, command.inbuf);
  } else {
    result = client.MonCommand(command.command_json, command.inbuf);
  }
  NoteExecuted(command);
  if (IsDenied(result)) {
    absl::StrAppend(&result.err, result.err.empty() ? "" : ": ", options_.name,
                    ", as which the manager asks, lacks a capability for this (`ceph auth get ",
                    options_.name, "` shows what it has)");
  }
  return result;
}

void CephSource::NoteExecuted(const ClusterCommand& command) {
  const std::string prefix = PrefixOf(command.command_json);
  absl::MutexLock lock(&mu_);
  // What a command has changed should be seen at once, not at the next interval.
  if (!descriptions_.read_only.contains(prefix)) {
    poll_now_ = true;
    news_.SignalAll();
  }
}

CephSource::ClientsPtr CephSource::clients() const {
  absl::MutexLock lock(&mu_);
  return clients_;
}

bool CephSource::stopping() const {
  absl::MutexLock lock(&mu_);
  return stopping_;
}

bool CephSource::WaitForStop(absl::Duration time) {
  const event::Moment begin = event::Moment::Now();
  absl::MutexLock lock(&mu_);
  while (!stopping_) {
    const absl::Duration left = time - (event::Moment::Now() - begin);
    if (left <= absl::ZeroDuration()) break;
    news_.Wait(&mu_, left);
  }
  return stopping_;
}

bool CephSource::WaitForNextPoll() {
  const event::Moment begin = event::Moment::Now();
  absl::MutexLock lock(&mu_);
  while (!stopping_ && !poll_now_) {
    const absl::Duration left = options_.poll_interval - (event::Moment::Now() - begin);
    if (left <= absl::ZeroDuration()) break;
    news_.Wait(&mu_, left);
  }
  poll_now_ = false;
  return stopping_;
}

void CephSource::SetDisconnected(absl::string_view reason) {
  {
    absl::MutexLock lock(&mu_);
    connected_ = false;
    reason_ = std::string(reason);
  }
  state_.SetConnection({false, std::string(reason)});
}

void CephSource::NoteOutage(absl::string_view reason) {
  if (!std::exchange(outage_logged_, true))
    log::Get("cluster").warn("ceph: {}", std::string(reason));
  SetDisconnected(reason);
}

absl::Status CephSource::Connect() {
  auto made = std::make_shared<Clients>();
  for (const auto& [client, timeout] : {std::pair(&made->polls, options_.monitor_timeout),
                                        std::pair(&made->commands, options_.command_timeout)}) {
    absl::StatusOr<std::unique_ptr<RadosClient>> created = RadosClient::Create(Settings(timeout));
    if (!created.ok()) return created.status();
    *client = *std::move(created);
    if (stopping()) return absl::CancelledError("the source stops");
    if (absl::Status status = (*client)->Connect(); !status.ok()) return status;
  }
  FollowLog(made.get());
  state_.SetClusterId(made->polls->fsid());
  state_.Publish("mgr_ips", MgrIpsStructure(made->polls->own_addresses()));
  absl::MutexLock lock(&mu_);
  clients_ = std::move(made);
  return absl::OkStatus();
}

void CephSource::WatchMonitors() {
  event::BeginBackground("monitors");
  MonitorPoller poller(&state_);
  absl::Duration backoff = kFirstBackoff;
  bool stop = false;
  while (!stop) {
    if (clients() != nullptr) {
      PollMonitors(&poller);
      stop = WaitForNextPoll();
    } else if (const absl::Status status = Connect(); status.ok()) {
      backoff = kFirstBackoff;
      answered_ = event::Moment::Now();
      stop = WaitForStop(absl::ZeroDuration());
    } else {
      if (!absl::IsCancelled(status)) NoteOutage(status.message());
      stop = WaitForStop(backoff);
      backoff = std::min(backoff * 2, kLastBackoff);
    }
  }
}

void CephSource::PollMonitors(MonitorPoller* poller) {
  const ClientsPtr clients = this->clients();
  const auto ask = [&](absl::string_view command) { return Ask(*clients, command); };
  absl::StatusOr<MonitorPoller::Seen> seen = poller->Poll(ask);
  const event::Moment now = event::Moment::Now();
  const std::string& monitors = clients->polls->monitors();
  if (absl::IsCancelled(seen.status())) return;
  if (!seen.ok()) {
    commands_known_ = false;
    NoteOutage(
        absl::IsDeadlineExceeded(seen.status())
            ? absl::StrCat("the monitors at ", monitors, " have not answered since ",
                           absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", event::WallTime(answered_, now),
                                            absl::UTCTimeZone()))
            : absl::StrCat("the monitors at ", monitors, ": ", seen.status().message()));
    if (now - answered_ > options_.renew_after) {
      absl::MutexLock lock(&mu_);
      clients_.reset();
    }
    return;
  }
  answered_ = now;
  std::vector<CounterPoller::Daemon> osds;
  osds.reserve(seen->osds_up.size());
  for (const auto& [id, up_from] : seen->osds_up) {
    osds.push_back({.type = "osd", .id = absl::StrCat(id), .start = up_from});
  }
  counter_poller_.SetDaemons(osds);
  if (!commands_known_) UpdateCommands(*clients);
  bool was_connected = false;
  {
    absl::MutexLock lock(&mu_);
    was_connected = std::exchange(connected_, true);
    seen_ = *std::move(seen);
  }
  if (was_connected) return;
  outage_logged_ = false;
  log::Get("cluster").info("ceph: connected to {} ({})", clients->polls->fsid(), monitors);
  state_.SetConnection({true, ""});
}

void CephSource::UpdateCommands(const Clients& clients) {
  const auto ask = [&](absl::string_view command) { return Ask(clients, command); };
  const absl::StatusOr<std::string> text = Query(ask, {"get_command_descriptions"});
  absl::StatusOr<CommandDescriptions> descriptions =
      text.ok() ? ParseCommandDescriptions(*text)
                : absl::StatusOr<CommandDescriptions>(text.status());
  // What they refuse once they would refuse at every poll.
  commands_known_ = descriptions.ok() || !absl::IsDeadlineExceeded(descriptions.status());
  if (!descriptions.ok()) {
    log::Get("cluster").warn("ceph: the monitors' commands are not known: {}",
                             std::string(descriptions.status().message()));
    return;
  }
  {
    absl::MutexLock lock(&mu_);
    const bool same = std::equal(descriptions_.commands.begin(), descriptions_.commands.end(),
                                 descriptions->commands.begin(), descriptions->commands.end(),
                                 [](const command::Declaration& a, const command::Declaration& b) {
                                   return a.signature == b.signature &&
                                          a.description == b.description &&
                                          a.permissions == b.permissions && a.poll == b.poll;
                                 });
    descriptions_ = *std::move(descriptions);
    if (same) return;
  }
  if (on_commands_changed_) on_commands_changed_();
}

void CephSource::WatchDaemons() {
  event::BeginBackground("daemons");
  DaemonPoller poller(&state_, {.cluster = options_.cluster});
  const auto wanted = [this] {
    mu_.AssertHeld();
    return stopping_ || seen_.has_value();
  };
  while (true) {
    MonitorPoller::Seen seen;
    ClientsPtr clients;
    {
      absl::MutexLock lock(&mu_, absl::Condition(&wanted));
      if (stopping_) return;
      seen = *std::move(seen_);
      seen_.reset();
      clients = clients_;
    }
    if (clients == nullptr) continue;
    const event::Moment begin = event::Moment::Now();
    poller.Poll(
        seen, [&](absl::string_view command) { return Ask(*clients, command); },
        [&](absl::string_view mon, absl::string_view command) {
          return AskMonitor(*clients, mon, command);
        });
    clients.reset();
    if (WaitForStop((event::Moment::Now() - begin) * kRestAfterDaemons)) return;
  }
}

}  // namespace outpost::cluster::ceph
