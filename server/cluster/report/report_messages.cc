// What daemons send, applied.
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/cluster/report/reported_daemons.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"

namespace outpost::cluster::report {
namespace {

using v1::IngestRejected;

std::map<std::string, std::string> ToMap(const Entries& entries) {
  return {entries.begin(), entries.end()};
}

}  // namespace

void ReportedDaemons::Handle(const std::shared_ptr<ReportStream>& stream,
                             const v1::ReportRequest& request, size_t bytes) {
  if (request.has_goodbye()) return HandleGoodbye(stream, request);
  absl::MutexLock lock(&stream->daemon->mu);
  ReportDaemon& daemon = *stream->daemon;
  daemon.mu.AssertHeld();
  if (!Accept(stream, request)) return;
  daemon.bytes += bytes;
  daemon.byte_rate.Add(clock_.Now(), bytes);
  Touch(daemon);
  if (const Outcome rejection = Apply(*stream, request, bytes)) {
    Reject(*stream, request.sequence(), *rejection);
    const bool loss = rejection->reason == IngestRejected::REASON_SCHEMA_UNKNOWN;
    if (loss && !std::exchange(stream->schema_asked_for, true)) {  // once for each loss
      v1::ReportResponse resend;
      resend.mutable_resend_schema()->set_schema_version(request.counters().schema_version());
      stream->link->Send(resend);
    }
  }
  stream->link->Acknowledge(request.sequence());
}

bool ReportedDaemons::Accept(const std::shared_ptr<ReportStream>& stream,
                             const v1::ReportRequest& request) {
  ReportDaemon& daemon = *stream->daemon;
  daemon.mu.AssertHeld();
  if (stream->said_goodbye && daemon.state == State::kDropped) {
    stream->link->Close(absl::InvalidArgumentError(absl::StrCat(
                            daemon.name, ": sent a message after goodbye, which is the last")),
                        "PROTOCOL_ERROR");
    return false;
  }
  if (daemon.stream != stream) return false;  // the link is closed already
  const auto refuse = [&](const std::string& what) {
    daemon.mu.AssertHeld();
    EndStream(daemon, absl::InvalidArgumentError(absl::StrCat(daemon.name, ": ", what)),
              "PROTOCOL_ERROR");
    return false;
  };
  if (stream->said_goodbye) return refuse("sent a message after goodbye, which is the last");
  if (request.has_hello()) return refuse("sent hello again: it is the first message only");
  if (request.sequence() != stream->next_sequence) {
    return refuse(absl::StrCat("sequence: ", request.sequence(), " came, and ",
                               stream->next_sequence, " was due: each is one more than the last"));
  }
  ++stream->next_sequence;
  ++daemon.messages;
  return true;
}

void ReportedDaemons::Reject(ReportStream& stream, uint64_t sequence, const Rejection& rejection) {
  ReportDaemon& daemon = *stream.daemon;
  daemon.mu.AssertHeld();
  ++daemon.rejected;
  v1::ReportResponse response;
  IngestRejected& rejected = *response.mutable_rejected();
  rejected.set_sequence(sequence);
  rejected.set_field(rejection.field);
  rejected.set_reason(rejection.reason);
  rejected.set_message(absl::StrCat(daemon.name, ": ", rejection.field,
                                    rejection.field.empty() ? "" : ": ", rejection.message));
  daemon.last_rejection = rejected.message();
  if (daemon.rejections_to_log.Take(clock_.Now())) {
    const uint64_t left_out = daemon.rejections_to_log.TakeRefused();
    log::Get("cluster").warn(
        "a report was rejected: {}{}", rejected.message(),
        left_out == 0 ? "" : absl::StrCat(" (and ", left_out, " before it, not logged)"));
  }
  stream.link->Send(response);
}

ReportedDaemons::Outcome ReportedDaemons::Apply(ReportStream& stream,
                                                const v1::ReportRequest& request, size_t bytes) {
  const absl::Duration now = clock_.Now();
  if (now - stream.interval_began >= options_.interval) {
    stream.interval_began = now;
    stream.messages_in_interval = 0;
  }
  if (++stream.messages_in_interval > options_.max_messages_per_interval) {
    return Rejection{IngestRejected::REASON_TOO_FAST, "",
                     absl::StrCat("more than ", options_.max_messages_per_interval,
                                  " messages came within ", absl::FormatDuration(options_.interval),
                                  ": send what is newest, once in that time")};
  }
  if (bytes > options_.max_message_bytes) {
    return Rejection{
        IngestRejected::REASON_LIMIT, "",
        absl::StrCat("the message has ", bytes, " bytes, more than ", options_.max_message_bytes)};
  }
  ReportDaemon& daemon = *stream.daemon;
  daemon.mu.AssertHeld();
  switch (request.message_case()) {
    case v1::ReportRequest::kCounters:
      return ApplyBatch(stream, request.counters());
    case v1::ReportRequest::kKeepalive:
      return std::nullopt;
    case v1::ReportRequest::kMetadata:
      return ApplyMetadata(daemon, request.metadata());
    case v1::ReportRequest::kPerfSchema:
      return ApplySchema(stream, request.perf_schema());
    case v1::ReportRequest::kStatus:
      return ApplyStatus(daemon, request.status());
    case v1::ReportRequest::kHealthMetrics:
      return ApplyHealthMetrics(daemon, request.health_metrics());
    case v1::ReportRequest::kStructure:
      return ApplyStructure(stream.daemon, request.structure());
    default:
      return Rejection{IngestRejected::REASON_UNKNOWN_MESSAGE, "message",
                       "this manager does not know this kind of message"};
  }
}

ReportedDaemons::Outcome ReportedDaemons::ApplyMetadata(ReportDaemon& daemon,
                                                        const v1::IngestMetadata& metadata) {
  if (auto rejection = CheckEntries(metadata.entries(), "metadata.entries", options_)) {
    return rejection;
  }
  daemon.metadata = ToMap(metadata.entries());
  Show(daemon);
  return std::nullopt;
}

ReportedDaemons::Outcome ReportedDaemons::ApplyStatus(ReportDaemon& daemon,
                                                      const v1::IngestStatus& status) {
  if (auto rejection = CheckEntries(status.entries(), "status.entries", options_)) {
    return rejection;
  }
  daemon.status = ToMap(status.entries());
  Show(daemon);
  return std::nullopt;
}

ReportedDaemons::Outcome ReportedDaemons::ApplyHealthMetrics(
    ReportDaemon& daemon, const v1::IngestHealthMetrics& metrics) {
  if (auto rejection = CheckHealthMetrics(metrics, options_)) return rejection;
  daemon.health_metrics.clear();
  for (const v1::IngestHealthMetric& metric : metrics.metrics()) {
    v1::HealthMetric& kept = daemon.health_metrics.emplace_back();
    kept.set_type(metric.type());
    kept.set_n1(metric.n1());
    kept.set_n2(metric.n2());
  }
  daemon.health_metrics_time = wall_();
  ShowHealth(daemon);
  health_changed_ = true;
  return std::nullopt;
}

ReportedDaemons::Outcome ReportedDaemons::ApplySchema(ReportStream& stream,
                                                      const v1::IngestPerfSchema& declared) {
  ReportDaemon& daemon = *stream.daemon;
  daemon.mu.AssertHeld();
  const bool again = stream.schema_asked_for && declared.version() == stream.newest_schema;
  if (declared.version() == 0 || (declared.version() <= stream.newest_schema && !again)) {
    return Rejection{
        IngestRejected::REASON_INVALID, "perf_schema.version",
        absl::StrCat(declared.version(), " is not greater than ", stream.newest_schema,
                     stream.newest_schema == 0 ? "" : ", the version of the last schema")};
  }
  auto found = schemas_.Get(declared);
  if (auto* rejection = std::get_if<Rejection>(&found)) return std::move(*rejection);
  auto schema = std::get<std::shared_ptr<const ReportSchema>>(std::move(found));
  const uint64_t before = daemon.schema == nullptr ? 0 : daemon.schema->slots.size();
  if (counters_of_all_ - before + schema->slots.size() > options_.max_counters_of_all) {
    return Rejection{IngestRejected::REASON_LIMIT, "perf_schema.counters",
                     absl::StrCat("with these, all daemons together have more than ",
                                  options_.max_counters_of_all, " counters")};
  }
  counters_of_all_ += schema->slots.size() - before;
  // A stream that broke, or a loss: what is known goes on.
  const bool same = daemon.schema == schema && daemon.schema_version == declared.version();
  if (!same) sinks_.counters->Remove(daemon.type, daemon.id);
  daemon.samples = sinks_.counters->SetSchema(daemon.type, daemon.id, schema->counters);
  daemon.schema = std::move(schema);
  daemon.schema_version = declared.version();
  stream.newest_schema = declared.version();
  stream.schema_asked_for = false;
  return std::nullopt;
}

ReportedDaemons::Outcome ReportedDaemons::ApplyBatch(ReportStream& stream,
                                                     const v1::IngestCounters& batch) {
  ReportDaemon& daemon = *stream.daemon;
  daemon.mu.AssertHeld();
  if (daemon.schema == nullptr || batch.schema_version() != daemon.schema_version) {
    return Rejection{IngestRejected::REASON_SCHEMA_UNKNOWN, "counters.schema_version",
                     absl::StrCat("there is no schema of version ", batch.schema_version(),
                                  daemon.schema == nullptr
                                      ? ""
                                      : absl::StrCat("; the last was ", daemon.schema_version))};
  }
  if (auto rejection = CheckCounters(batch, *daemon.schema)) return rejection;
  const absl::Time sampled =
      batch.has_sampled_at() ? event::FromProto(batch.sampled_at()) : wall_();
  if (batch.has_sampled_at()) NoteTime(stream, sampled);
  daemon.samples->Add(sampled, [&](absl::Span<double> values, absl::Span<uint64_t> counts) {
    daemon.mu.AssertHeld();
    LeaveOut(stream.min_priority, *daemon.schema, values);
    ApplyCounters(batch, *daemon.schema, values, counts);
  });
  return std::nullopt;
}

void ReportedDaemons::NoteTime(ReportStream& stream, absl::Time sampled) {
  stream.tells_time = true;
  stream.daemon->clock_ahead = sampled - wall_();
  pace_.Came(stream.delay.Add(monotonic_(), sampled));
}

ReportedDaemons::Outcome ReportedDaemons::ApplyStructure(
    const std::shared_ptr<ReportDaemon>& daemon, const v1::IngestStructure& structure) {
  if (auto rejection = CheckStructure(structure, options_)) return rejection;
  const std::string& name = structure.name();
  absl::MutexLock lock(&structures_mu_);
  const auto found = structures_.find(name);
  const auto published = sinks_.state->Get(name);
  if (published.ok() &&
      (found == structures_.end() || (*published)->version != found->second.version)) {
    // The other source came later: it has taken the name.
    if (found != structures_.end()) {
      structure_bytes_ -= found->second.bytes;
      structures_.erase(found);
    }
    return Rejection{IngestRejected::REASON_NOT_ALLOWED, "structure.name",
                     absl::StrCat(name, " is a structure of the manager's source",
                                  options_.beside.empty() ? "" : " " + options_.beside,
                                  "; choose another name")};
  }
  const bool known = found != structures_.end();
  if (known && found->second.owner != daemon &&
      found->second.owner->state == ReportDaemon::State::kLive) {
    return Rejection{IngestRejected::REASON_OWNED, "structure.name",
                     absl::StrCat(name, " belongs to ", found->second.owner->name,
                                  ", which is live; choose another name")};
  }
  if (structure.json().empty()) {
    if (!known) return std::nullopt;
    structure_bytes_ -= found->second.bytes;
    structures_.erase(found);
    sinks_.state->Remove(name);
    return std::nullopt;
  }
  if (!known || found->second.owner != daemon) {
    uint32_t owned = 0;
    for (const auto& [other, of] : structures_) owned += of.owner == daemon ? 1 : 0;
    if (owned >= options_.max_structures) {
      return Rejection{IngestRejected::REASON_LIMIT, "structure.name",
                       absl::StrCat("the daemon has ", owned,
                                    " structures already; remove one before sending ", name)};
    }
  }
  const uint64_t before = known ? found->second.bytes : 0;
  const uint64_t bytes = structure.json().size();
  if (structure_bytes_ - before + bytes > options_.max_structure_bytes_of_all) {
    return Rejection{IngestRejected::REASON_LIMIT, "structure.json",
                     absl::StrCat("with ", name, ", all daemons' structures have more than ",
                                  options_.max_structure_bytes_of_all, " bytes")};
  }
  structure_bytes_ += bytes - before;
  sinks_.state->Publish(name, structure.json());
  const auto now = sinks_.state->Get(name);
  structures_[name] = {.owner = daemon, .version = now.ok() ? (*now)->version : 0, .bytes = bytes};
  return std::nullopt;
}

void ReportedDaemons::RemoveStructures(const ReportDaemon& daemon) {
  absl::MutexLock lock(&structures_mu_);
  for (auto structure = structures_.begin(); structure != structures_.end();) {
    if (structure->second.owner.get() != &daemon) {
      ++structure;
      continue;
    }
    structure_bytes_ -= structure->second.bytes;
    const auto published = sinks_.state->Get(structure->first);
    if (published.ok() && (*published)->version == structure->second.version) {
      sinks_.state->Remove(structure->first);
    }
    structure = structures_.erase(structure);
  }
}

}  // namespace outpost::cluster::report
