#include "outpost/reporter.h"

#include <utility>

#include "outpost/internal/report_session.h"
#include "outpost/internal/utf8.h"

namespace outpost {
namespace {

using Description = v1::IngestCounterDescription;

absl::StatusOr<std::shared_ptr<internal::CounterCell>> Declare(
    internal::ReportSession& session, absl::string_view path, const CounterOptions& options,
    Description::Kind kind, Description::ValueType value_type = Description::VALUE_TYPE_U64) {
  Description description;
  description.set_path(internal::ToUtf8(path));
  description.set_kind(kind);
  description.set_value_type(value_type);
  description.set_unit(options.unit == CounterUnit::kBytes ? Description::UNIT_BYTES
                                                           : Description::UNIT_NONE);
  description.set_priority(options.priority);
  description.set_description(internal::ToUtf8(options.description));
  description.set_nick(internal::ToUtf8(options.nick));
  return session.Change(
      [&](internal::ReportContent& content) { return content.Declare(std::move(description)); });
}

}  // namespace

Reporter::Reporter(ReporterOptions options)
    : session_(std::make_unique<internal::ReportSession>(std::move(options))) {}

Reporter::~Reporter() = default;

absl::StatusOr<ReportGauge> Reporter::AddGauge(absl::string_view path,
                                               const CounterOptions& options) {
  auto cell = Declare(*session_, path, options, Description::KIND_GAUGE);
  if (!cell.ok()) return cell.status();
  return ReportGauge(*std::move(cell));
}

absl::StatusOr<ReportCounter> Reporter::AddCounter(absl::string_view path,
                                                   const CounterOptions& options) {
  auto cell = Declare(*session_, path, options, Description::KIND_COUNTER);
  if (!cell.ok()) return cell.status();
  return ReportCounter(*std::move(cell));
}

absl::StatusOr<ReportAverage> Reporter::AddAverage(absl::string_view path,
                                                   const CounterOptions& options) {
  auto cell = Declare(*session_, path, options, Description::KIND_LONG_RUNNING_AVERAGE);
  if (!cell.ok()) return cell.status();
  return ReportAverage(*std::move(cell));
}

absl::StatusOr<ReportTimeAverage> Reporter::AddTimeAverage(absl::string_view path,
                                                           const CounterOptions& options) {
  auto cell = Declare(*session_, path, options, Description::KIND_LONG_RUNNING_AVERAGE,
                      Description::VALUE_TYPE_TIME);
  if (!cell.ok()) return cell.status();
  return ReportTimeAverage(*std::move(cell));
}

void Reporter::SetMetadata(std::map<std::string, std::string> entries) {
  session_->Change(
      [&](internal::ReportContent& content) { content.SetMetadata(std::move(entries)); });
}

void Reporter::SetStatus(std::map<std::string, std::string> entries) {
  session_->Change(
      [&](internal::ReportContent& content) { content.SetStatus(std::move(entries)); });
}

void Reporter::SetHealthMetrics(std::vector<ReportHealthMetric> metrics) {
  session_->Change(
      [&](internal::ReportContent& content) { content.SetHealthMetrics(std::move(metrics)); });
}

void Reporter::SetStructure(absl::string_view name, const Json& value) {
  std::string json = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  session_->Change([&](internal::ReportContent& content) {
    content.SetStructure(std::string(name), std::move(json));
  });
}

void Reporter::RemoveStructure(absl::string_view name) {
  session_->Change(
      [&](internal::ReportContent& content) { content.SetStructure(std::string(name), ""); });
}

void Reporter::Start() { session_->Start(); }
bool Reporter::connected() const { return session_->connected(); }
absl::Status Reporter::status() const { return session_->status(); }
absl::Status Reporter::Flush(absl::Duration timeout) { return session_->Flush(timeout); }
void Reporter::Close(absl::string_view reason, bool restarting) {
  session_->Close(reason, restarting);
}

}  // namespace outpost
