// The lives of daemons; what they send is applied in report_messages.cc.
#include "server/cluster/report/reported_daemons.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/cluster/report/report_health.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"

namespace outpost::cluster::report {
namespace {

constexpr uint32_t kProtocolVersion = 1;
constexpr size_t kNamedInLog = 10;

// What a cluster tells of by itself, whether it has told of it yet or not.
constexpr std::array<absl::string_view, 4> kTypesOfACluster = {"mds", "mgr", "mon", "osd"};

// "3 daemons (a, b, c)".
std::string Listed(const std::vector<std::string>& names) {
  const size_t named = std::min(names.size(), kNamedInLog);
  return absl::StrCat(
      names.size() == 1 ? "" : absl::StrCat(names.size(), " daemons: "),
      absl::StrJoin(names.begin(), names.begin() + static_cast<ptrdiff_t>(named), ", "),
      named < names.size() ? ", …" : "");
}

}  // namespace

ReportedDaemons::ReportedDaemons(ReportOptions options, Sinks sinks,
                                 std::function<absl::Duration()> monotonic,
                                 std::function<absl::Time()> wall)
    : options_(std::move(options)),
      sinks_(std::move(sinks)),
      monotonic_(std::move(monotonic)),
      wall_(std::move(wall)),
      clock_(monotonic_),
      pace_(options_),
      pace_told_(pace_.version()),
      schemas_(options_) {}

ReportedDaemons::~ReportedDaemons() {
  // Daemons and their streams hold each other.
  absl::MutexLock lock(&mu_);
  for (auto& [key, daemon] : daemons_) {
    absl::MutexLock daemon_lock(&daemon->mu);
    daemon->stream = nullptr;
  }
}

void ReportedDaemons::Start(event::TimerQueue* timers) {
  timers_ = timers;
  Schedule();
}

void ReportedDaemons::Schedule() {
  timers_->After(options_.tick, [this] {
    Tick();
    Schedule();
  });
}

void ReportedDaemons::Stop() {
  absl::MutexLock lock(&mu_);
  stopping_ = true;
  for (auto& [key, daemon] : daemons_) {
    absl::MutexLock daemon_lock(&daemon->mu);
    EndStream(*daemon, absl::UnavailableError("the manager is stopping; report to the next one"),
              "STOPPING");
  }
}

absl::Status ReportedDaemons::Admit(const v1::ReportRequest& first, absl::string_view* reason) {
  *reason = "PROTOCOL_ERROR";
  if (!first.has_hello()) {
    return absl::InvalidArgumentError("the first message of a stream is hello (see ingest.proto)");
  }
  if (first.sequence() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("sequence: hello has ", first.sequence(), ", and is always 1"));
  }
  const v1::IngestHello& hello = first.hello();
  *reason = "BAD_HELLO";
  if (absl::Status status = CheckHello(hello); !status.ok()) return status;
  const auto& versions = hello.protocol_versions();
  *reason = "PROTOCOL_VERSION";
  if (std::find(versions.begin(), versions.end(), kProtocolVersion) == versions.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the daemon speaks versions ", absl::StrJoin(versions, ", "),
                     " of the protocol, and this manager version ", kProtocolVersion, " only"));
  }
  *reason = "NOT_ALLOWED";
  if (!options_.beside.empty()) {
    const bool of_cluster = std::find(kTypesOfACluster.begin(), kTypesOfACluster.end(),
                                      hello.service_type()) != kTypesOfACluster.end();
    if (of_cluster || sinks_.directory->InStructures(hello.service_type(), hello.daemon_id())) {
      return absl::PermissionDeniedError(absl::StrCat(
          hello.service_type(), ".", hello.daemon_id(), " is a daemon of the manager's source \"",
          options_.beside, "\", which tells of it; report under another name"));
    }
  }
  return absl::OkStatus();
}

std::shared_ptr<ReportDaemon> ReportedDaemons::FindOrMake(const v1::IngestHello& hello) {
  const Key key = {hello.service_type(), hello.daemon_id()};
  if (const auto found = daemons_.find(key); found != daemons_.end()) return found->second;
  if (daemons_.size() >= options_.max_daemons) return nullptr;
  auto daemon = std::make_shared<ReportDaemon>(key.first, key.second);
  daemons_.emplace(key, daemon);
  return daemon;
}

std::shared_ptr<ReportStream> ReportedDaemons::Open(const v1::ReportRequest& first,
                                                    const std::shared_ptr<ReportLink>& link) {
  absl::string_view reason;
  if (const absl::Status status = Admit(first, &reason); !status.ok()) {
    log::Get("cluster").warn("a daemon's report was refused: {}", std::string(status.message()));
    link->Close(status, reason);
    return nullptr;
  }
  const v1::IngestHello& hello = first.hello();
  absl::MutexLock lock(&mu_);
  if (stopping_) {
    link->Close(absl::UnavailableError("the manager is stopping; report to the next one"),
                "STOPPING");
    return nullptr;
  }
  const std::shared_ptr<ReportDaemon> daemon = FindOrMake(hello);
  if (daemon == nullptr) {
    link->Close(absl::ResourceExhaustedError(
                    absl::StrCat(daemons_.size(),
                                 " daemons report already, and no more may: raise "
                                 "--report-max-daemons, or report again when some are gone")),
                "TOO_MANY_DAEMONS");
    return nullptr;
  }
  auto stream = std::make_shared<ReportStream>(ReportStream{.daemon = daemon, .link = link});
  absl::MutexLock daemon_lock(&stream->daemon->mu);
  Attach(hello, stream);
  v1::ReportResponse response;
  v1::IngestWelcome& welcome = *response.mutable_welcome();
  welcome.set_protocol_version(kProtocolVersion);
  welcome.set_session(absl::StrCat("report-", ++sessions_));
  welcome.set_manager_instance(options_.manager_instance);
  const ReportPace::Pace pace = pace_.now();
  stream->pace = pace.version;
  stream->min_priority = pace.min_priority;
  *welcome.mutable_report_interval() = event::ToProto(pace.interval);
  *welcome.mutable_lease() = event::ToProto(absl::Nanoseconds(daemon->lease.load()));
  *welcome.mutable_drop_after() = event::ToProto(absl::Nanoseconds(daemon->drop_after.load()));
  welcome.set_min_priority(pace.min_priority);
  v1::IngestLimits& limits = *welcome.mutable_limits();
  limits.set_max_unacknowledged(options_.max_unacknowledged);
  limits.set_max_message_bytes(options_.max_message_bytes);
  limits.set_max_counters(options_.max_counters);
  limits.set_max_entries(options_.max_entries);
  limits.set_max_entry_bytes(options_.max_entry_bytes);
  limits.set_max_structures(options_.max_structures);
  limits.set_max_structure_bytes(options_.max_structure_bytes);
  link->Send(response);
  return stream;
}

void ReportedDaemons::Attach(const v1::IngestHello& hello,
                             const std::shared_ptr<ReportStream>& stream) {
  ReportDaemon& daemon = *stream->daemon;
  daemon.mu.AssertHeld();
  EndStream(daemon,
            absl::AbortedError(absl::StrCat(
                "another stream reports as ", daemon.name, " now (",
                hello.instance() == daemon.instance ? "of the same process" : "of another process",
                ", on ", hello.hostname(), ")")),
            "REPLACED");
  if (!daemon.instance.empty() && daemon.instance != hello.instance()) ForgetInstance(daemon);
  daemon.instance = hello.instance();
  daemon.hostname = hello.hostname();
  daemon.version = hello.version();
  const absl::Duration lease =
      hello.has_lease() ? std::clamp(event::FromProto(hello.lease()), 2 * options_.interval,
                                     std::max(ReportOptions::kMaxLease, 2 * options_.interval))
                        : options_.lease;
  daemon.lease = absl::ToInt64Nanoseconds(lease);
  daemon.drop_after = absl::ToInt64Nanoseconds(lease + options_.stale_time);
  daemon.stream = stream;
  stream->interval_began = clock_.Now();
  ++daemon.messages;
  Touch(daemon);
  Show(daemon);
}

void ReportedDaemons::EndStream(ReportDaemon& daemon, const absl::Status& status,
                                absl::string_view reason) {
  if (daemon.stream == nullptr) return;
  daemon.stream->link->Close(status, reason);
  daemon.stream = nullptr;
}

void ReportedDaemons::Detach(const std::shared_ptr<ReportStream>& stream) {
  ReportDaemon& daemon = *stream->daemon;
  absl::MutexLock lock(&daemon.mu);
  if (daemon.stream == stream) daemon.stream = nullptr;  // the lease runs on
}

void ReportedDaemons::Touch(ReportDaemon& daemon) {
  daemon.last_message = absl::ToInt64Nanoseconds(clock_.Now());
  if (daemon.state == State::kLive) return;
  daemon.state = State::kLive;
  log::Get("cluster").info("daemon {} reports again", daemon.name);
  health_changed_ = true;
  Show(daemon);
  ShowHealth(daemon);
}

void ReportedDaemons::MakeStale(ReportDaemon& daemon) {
  daemon.state = State::kStale;
  const absl::Duration silent = clock_.Now() - absl::Nanoseconds(daemon.last_message.load());
  daemon.stale_since = wall_() - silent;
  health_changed_ = true;
  Show(daemon);
  sinks_.health->Remove(daemon.type, daemon.id);
}

void ReportedDaemons::ForgetInstance(ReportDaemon& daemon) {
  if (daemon.schema != nullptr) counters_of_all_ -= daemon.schema->slots.size();
  daemon.schema = nullptr;
  daemon.samples = nullptr;
  daemon.schema_version = 0;
  sinks_.counters->Remove(daemon.type, daemon.id);
  daemon.status.clear();
  daemon.health_metrics.clear();
  daemon.health_metrics_time = absl::InfinitePast();
  sinks_.health->Remove(daemon.type, daemon.id);
  health_changed_ = true;
}

void ReportedDaemons::Drop(const std::shared_ptr<ReportDaemon>& daemon) {
  daemon->state = State::kDropped;
  ForgetInstance(*daemon);
  RemoveStructures(*daemon);
  sinks_.directory->RemoveReported(daemon->type, daemon->id);
  EndStream(*daemon,
            absl::UnavailableError(absl::StrCat(daemon->name,
                                                " was silent for too long, and is "
                                                "forgotten; report again")),
            "DROPPED");
  daemons_.erase({daemon->type, daemon->id});
}

void ReportedDaemons::Show(ReportDaemon& daemon) {
  DaemonDirectory::Fields metadata = daemon.metadata;
  metadata.emplace("hostname", daemon.hostname);
  if (!daemon.version.empty()) metadata.emplace("ceph_version", daemon.version);
  DaemonDirectory::Fields status = daemon.status;
  if (daemon.state == State::kStale) {
    status.insert_or_assign(
        "stale_since",
        absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", daemon.stale_since, absl::UTCTimeZone()));
  }
  sinks_.directory->SetReported(daemon.type, daemon.id, std::move(metadata), std::move(status));
}

void ReportedDaemons::ShowHealth(ReportDaemon& daemon) {
  if (daemon.health_metrics_time == absl::InfinitePast()) return;  // it never told
  sinks_.health->Set(daemon.type, daemon.id, daemon.health_metrics, daemon.health_metrics_time,
                     absl::Nanoseconds(daemon.lease.load()));
}

void ReportedDaemons::HandleGoodbye(const std::shared_ptr<ReportStream>& stream,
                                    const v1::ReportRequest& request) {
  const std::shared_ptr<ReportDaemon> daemon = stream->daemon;
  absl::MutexLock lock(&mu_);
  absl::MutexLock daemon_lock(&stream->daemon->mu);
  daemon->mu.AssertHeld();
  if (!Accept(stream, request)) return;
  stream->said_goodbye = true;
  const v1::IngestGoodbye& goodbye = request.goodbye();
  log::Get("cluster").info("daemon {} {}{}", daemon->name,
                           goodbye.restarting() ? "restarts" : "has ended",
                           goodbye.reason().empty() ? "" : ": " + goodbye.reason());
  Touch(*daemon);
  if (!goodbye.restarting()) {
    daemon->stream = nullptr;  // it ends in good order, when the daemon half-closes
    Drop(daemon);
  }
  stream->link->Acknowledge(request.sequence());
}

void ReportedDaemons::Tick() {
  const int64_t now = absl::ToInt64Nanoseconds(clock_.Advance());
  std::vector<std::string> stale;
  std::vector<std::string> dropped;
  {
    absl::MutexLock lock(&mu_);
    std::vector<std::shared_ptr<ReportDaemon>> to_drop;
    for (const auto& [key, daemon] : daemons_) {
      const int64_t silent = now - daemon->last_message;
      if (silent > daemon->drop_after) {
        to_drop.push_back(daemon);
      } else if (silent > daemon->lease && daemon->state == State::kLive) {
        absl::MutexLock daemon_lock(&daemon->mu);
        if (now - daemon->last_message <= daemon->lease) continue;  // a message came just now
        MakeStale(*daemon);
        stale.push_back(daemon->name);
      }
    }
    for (const auto& daemon : to_drop) {
      absl::MutexLock daemon_lock(&daemon->mu);
      if (now - daemon->last_message <= daemon->drop_after) continue;
      Drop(daemon);
      dropped.push_back(daemon->name);
    }
  }
  if (!stale.empty()) {
    log::Get("cluster").warn("no report within the lease from {}", Listed(stale));
  }
  if (!dropped.empty()) {
    log::Get("cluster").warn("dropped, for they have been silent for too long: {}",
                             Listed(dropped));
  }
  {
    absl::MutexLock lock(&structures_mu_);
    for (const auto& [name, structure] : structures_) {
      if (structure.owner->state == State::kLive) sinks_.state->Confirm(name);
    }
  }
  if (health_changed_.exchange(false)) TellHealth();
  pace_.Look(monotonic_());
  TellPace();
}

void ReportedDaemons::TellHealth() {
  std::vector<ReportedHealth> live;
  std::vector<StaleDaemon> stale;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [key, daemon] : daemons_) {
      absl::MutexLock daemon_lock(&daemon->mu);
      if (daemon->state == State::kStale) {
        stale.push_back({daemon->name, daemon->hostname, daemon->stale_since});
      } else if (!daemon->health_metrics.empty()) {
        live.push_back({daemon->name, daemon->health_metrics});
      }
    }
  }
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(live.begin(), live.end(), by_name);
  std::sort(stale.begin(), stale.end(), by_name);
  sinks_.checks(ReportChecks(live, stale));
}

ReportedDaemons::Counts ReportedDaemons::counts() const {
  Counts counts;
  counts.counters = counters_of_all_;
  counts.schemas = schemas_.size();
  absl::MutexLock lock(&mu_);
  for (const auto& [key, daemon] : daemons_) {
    ++(daemon->state == State::kStale ? counts.stale : counts.live);
  }
  absl::MutexLock structures_lock(&structures_mu_);
  counts.structure_bytes = structure_bytes_;
  return counts;
}

}  // namespace outpost::cluster::report
