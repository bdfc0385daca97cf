#include "outpost/internal/report_content.h"

#include <google/protobuf/util/message_differencer.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/internal/utf8.h"

namespace outpost::internal {
namespace {

constexpr uint32_t kMaxPriority = 10;

using Entries = google::protobuf::Map<std::string, std::string>;

void Fill(const std::map<std::string, std::string>& from, Entries* to) {
  for (const auto& [key, value] : from) (*to)[ToUtf8(key)] = ToUtf8(value);
}

}  // namespace

absl::StatusOr<std::shared_ptr<CounterCell>> ReportContent::Declare(
    v1::IngestCounterDescription description) {
  if (description.path().empty()) {
    return absl::InvalidArgumentError("a counter has no path: name it, as in \"backup.files\"");
  }
  if (description.priority() > kMaxPriority) {
    return absl::InvalidArgumentError(absl::StrCat("counter ", description.path(), ": priority ",
                                                   description.priority(),
                                                   " is over 10, the highest"));
  }
  for (const Counter& counter : counters_) {
    if (counter.description.path() != description.path()) continue;
    if (google::protobuf::util::MessageDifferencer::Equals(counter.description, description)) {
      return counter.cell;
    }
    return absl::InvalidArgumentError(
        absl::StrCat("counter ", description.path(), " was declared already, as something else"));
  }
  counters_.push_back({std::move(description), std::make_shared<CounterCell>(), std::nullopt});
  // A new schema, under the next version.
  ++schema_version_;
  ResendSchema();
  return counters_.back().cell;
}

void ReportContent::SetMetadata(std::map<std::string, std::string> entries) {
  metadata_ = std::move(entries);
  metadata_due_ = true;
}

void ReportContent::SetStatus(std::map<std::string, std::string> entries) {
  status_ = std::move(entries);
  status_due_ = true;
}

void ReportContent::SetHealthMetrics(std::vector<ReportHealthMetric> metrics) {
  health_ = std::move(metrics);
  health_due_ = true;
}

void ReportContent::SetStructure(std::string name, std::string json) {
  structures_due_[name] = absl::InfinitePast();
  structures_[std::move(name)] = std::move(json);
}

void ReportContent::Begin() {
  metadata_due_ = status_due_ = health_due_ = true;
  ResendSchema();
  for (const auto& [name, json] : structures_) structures_due_[name] = absl::InfinitePast();
}

void ReportContent::ResendSchema() {
  schema_due_ = true;
  for (Counter& counter : counters_) counter.sent.reset();
}

void ReportContent::Again(const About& about, absl::Time when) {
  switch (about.topic) {
    case Topic::kMetadata:
      metadata_due_ = true;
      return;
    case Topic::kSchema:
      return ResendSchema();
    case Topic::kCounters:
      for (Counter& counter : counters_) counter.sent.reset();
      return;
    case Topic::kStatus:
      status_due_ = true;
      return;
    case Topic::kHealth:
      health_due_ = true;
      return;
    case Topic::kStructure:
      structures_due_.emplace(about.structure, when);
      return;
    case Topic::kHello:
    case Topic::kOther:
      return;
  }
}

void ReportContent::SetMinPriority(uint32_t priority) {
  if (priority < min_priority_) {
    for (Counter& counter : counters_) counter.sent.reset();
  }
  min_priority_ = priority;
}

bool ReportContent::HasDue(absl::Time now) const {
  return metadata_due_ || (schema_due_ && !counters_.empty()) || status_due_ || health_due_ ||
         std::any_of(structures_due_.begin(), structures_due_.end(),
                     [now](const auto& due) { return due.second <= now; });
}

absl::Time ReportContent::NextRetry(absl::Time now) const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [name, when] : structures_due_) {
    if (when > now) next = std::min(next, when);
  }
  return next;
}

std::optional<ReportContent::About> ReportContent::Next(bool counters, absl::Time now,
                                                        v1::ReportRequest* request) {
  if (std::exchange(metadata_due_, false)) {
    Fill(metadata_, request->mutable_metadata()->mutable_entries());
    return About{Topic::kMetadata};
  }
  if (std::exchange(schema_due_, false) && !counters_.empty()) {
    v1::IngestPerfSchema& schema = *request->mutable_perf_schema();
    schema.set_version(schema_version_);
    for (const Counter& counter : counters_) *schema.add_counters() = counter.description;
    return About{Topic::kSchema};
  }
  if (counters && FillCounters(request->mutable_counters())) return About{Topic::kCounters};
  if (std::exchange(status_due_, false)) {
    Fill(status_, request->mutable_status()->mutable_entries());
    return About{Topic::kStatus};
  }
  if (std::exchange(health_due_, false)) {
    v1::IngestHealthMetrics& metrics = *request->mutable_health_metrics();
    for (const ReportHealthMetric& metric : health_) {
      v1::IngestHealthMetric& sent = *metrics.add_metrics();
      sent.set_type(ToUtf8(metric.type));
      sent.set_n1(metric.n1);
      sent.set_n2(metric.n2);
    }
    return About{Topic::kHealth};
  }
  for (auto due = structures_due_.begin(); due != structures_due_.end(); ++due) {
    if (due->second > now) continue;
    const std::string name = due->first;
    structures_due_.erase(due);
    const auto structure = structures_.find(name);
    if (structure == structures_.end()) return Next(false, now, request);
    request->mutable_structure()->set_name(ToUtf8(name));
    request->mutable_structure()->set_json(structure->second);
    if (structure->second.empty()) structures_.erase(structure);
    return About{Topic::kStructure, name};
  }
  return std::nullopt;
}

bool ReportContent::FillCounters(v1::IngestCounters* batch) {
  batch->set_schema_version(schema_version_);
  bool any = false;
  for (size_t i = 0; i < counters_.size(); ++i) {
    Counter& counter = counters_[i];
    if (counter.description.priority() < min_priority_) continue;
    const CounterCell::Value value = counter.cell->Read();
    if (counter.sent == value) continue;
    counter.sent = value;
    any = true;
    const auto index = static_cast<uint32_t>(i);
    if (counter.description.kind() == v1::IngestCounterDescription::KIND_LONG_RUNNING_AVERAGE) {
      batch->add_average_indexes(index);
      batch->add_average_sums(value.value);
      batch->add_average_counts(value.events);
    } else {
      batch->add_indexes(index);
      batch->add_values(value.value);
    }
  }
  *batch->mutable_sampled_at() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(absl::Now()));
  return any;
}

}  // namespace outpost::internal
