// A manager's ReportedDaemons with a clock of the test's, and daemons that report to it.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORTED_DAEMONS_FIXTURE_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORTED_DAEMONS_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "server/cluster/report/reported_daemons.h"

namespace outpost::cluster::report {

class RecordingLink final : public ReportLink {
 public:
  void Send(const v1::ReportResponse& message) override { sent.push_back(message); }
  void Acknowledge(uint64_t sequence) override { acknowledged = sequence; }
  void Close(const absl::Status& status, absl::string_view why) override {
    if (!end.ok()) return;
    end = status;
    reason = std::string(why);
  }

  std::vector<v1::IngestRejected> rejected() const {
    std::vector<v1::IngestRejected> all;
    for (const auto& message : sent) {
      if (message.has_rejected()) all.push_back(message.rejected());
    }
    return all;
  }
  int resends() const {
    int count = 0;
    for (const auto& message : sent) count += message.has_resend_schema() ? 1 : 0;
    return count;
  }

  std::vector<v1::ReportResponse> sent;
  uint64_t acknowledged = 0;
  absl::Status end;
  std::string reason;
};

// A daemon of the test's.
class Daemon {
 public:
  Daemon(ReportedDaemons& daemons, const v1::IngestHello& hello)
      : daemons_(daemons), link(std::make_shared<RecordingLink>()) {
    v1::ReportRequest first;
    first.set_sequence(1);
    *first.mutable_hello() = hello;
    stream = daemons_.Open(first, link);
  }

  void Send(v1::ReportRequest request) {
    request.set_sequence(++sequence);
    daemons_.Handle(stream, request, request.ByteSizeLong());
  }
  void Keepalive() {
    v1::ReportRequest request;
    request.mutable_keepalive();
    Send(request);
  }
  void Status(const std::string& key, const std::string& value) {
    v1::ReportRequest request;
    (*request.mutable_status()->mutable_entries())[key] = value;
    Send(request);
  }
  void Metadata(const std::string& key, const std::string& value) {
    v1::ReportRequest request;
    (*request.mutable_metadata()->mutable_entries())[key] = value;
    Send(request);
  }
  void Health(const std::string& type, uint64_t n1, uint64_t n2 = 0) {
    v1::ReportRequest request;
    auto& metric = *request.mutable_health_metrics()->add_metrics();
    metric.set_type(type);
    metric.set_n1(n1);
    metric.set_n2(n2);
    Send(request);
  }
  void Structure(const std::string& name, const std::string& json) {
    v1::ReportRequest request;
    request.mutable_structure()->set_name(name);
    request.mutable_structure()->set_json(json);
    Send(request);
  }
  // Counters 0: "b.ops" (counter), 1: "a.level" (gauge), 2: "c.latency" (average of times),
  // 3: "d.sizes" (histogram).
  void Schema(uint32_t version = 1) {
    v1::ReportRequest request;
    auto& schema = *request.mutable_perf_schema();
    schema.set_version(version);
    const auto add = [&](const char* path, v1::IngestCounterDescription::Kind kind) {
      auto& counter = *schema.add_counters();
      counter.set_path(path);
      counter.set_kind(kind);
      counter.set_priority(5);
      return &counter;
    };
    add("b.ops", v1::IngestCounterDescription::KIND_COUNTER);
    add("a.level", v1::IngestCounterDescription::KIND_GAUGE)
        ->set_unit(v1::IngestCounterDescription::UNIT_BYTES);
    add("c.latency", v1::IngestCounterDescription::KIND_LONG_RUNNING_AVERAGE)
        ->set_value_type(v1::IngestCounterDescription::VALUE_TYPE_TIME);
    add("d.sizes", v1::IngestCounterDescription::KIND_HISTOGRAM);
    Send(request);
  }
  void Counters(const std::vector<std::pair<uint32_t, uint64_t>>& values, uint32_t version = 1) {
    v1::ReportRequest request;
    request.mutable_counters()->set_schema_version(version);
    for (const auto& [index, value] : values) {
      request.mutable_counters()->add_indexes(index);
      request.mutable_counters()->add_values(value);
    }
    Send(request);
  }
  void Goodbye(bool restarting) {
    v1::ReportRequest request;
    request.mutable_goodbye()->set_reason("for a test");
    request.mutable_goodbye()->set_restarting(restarting);
    Send(request);
  }
  // The reason, the field and the words of the last rejection, which is of the last message.
  v1::IngestRejected LastRejection() {
    const auto all = link->rejected();
    if (all.empty() || all.back().sequence() != sequence) return {};
    return all.back();
  }

 private:
  ReportedDaemons& daemons_;

 public:
  const std::shared_ptr<RecordingLink> link;
  std::shared_ptr<ReportStream> stream;
  uint64_t sequence = 1;
};

inline v1::IngestHello Hello(const std::string& id, const std::string& instance = "i1") {
  v1::IngestHello hello;
  hello.set_service_type("backup");
  hello.set_daemon_id(id);
  hello.set_hostname("host1");
  hello.set_version("v7");
  hello.set_instance(instance);
  hello.add_protocol_versions(1);
  return hello;
}

class ReportedDaemonsTest : public testing::Test {
 protected:
  void SetUp() override { Make({}); }

  // Starts anew with other options.
  void Make(ReportOptions options) {
    daemons_ = std::make_unique<ReportedDaemons>(
        std::move(options),
        ReportedDaemons::Sinks{
            .state = &state_,
            .counters = &counters_,
            .directory = &directory_,
            .health = &health_,
            .checks = [this](std::vector<v1::HealthCheck> checks) { checks_ = std::move(checks); }},
        [this] { return clock_; }, [this] { return wall_; });
  }

  // Time goes by, with ticks as the manager has them.
  void Advance(absl::Duration time) {
    const absl::Time end = absl::UnixEpoch() + clock_ + time;
    while (absl::UnixEpoch() + clock_ < end) {
      clock_ += absl::Milliseconds(250);
      daemons_->Tick();
    }
  }

  Daemon Report(const std::string& id, const std::string& instance = "i1") {
    return Daemon(*daemons_, Hello(id, instance));
  }
  Daemon Report(const v1::IngestHello& hello) { return Daemon(*daemons_, hello); }

  DaemonDirectory::Fields StatusOf(const std::string& id) {
    return directory_.Status("backup", id).value_or(DaemonDirectory::Fields{{"not", "there"}});
  }
  std::vector<v1::CounterSeries> Series(const std::string& id, const std::string& path = "") {
    v1::GetCountersRequest request;
    request.mutable_daemon()->set_type("backup");
    request.mutable_daemon()->set_id(id);
    if (!path.empty()) request.add_paths(path);
    return counters_.Series(request);
  }
  std::vector<std::string> Codes() const {
    std::vector<std::string> codes;
    for (const auto& check : checks_) codes.push_back(check.code());
    return codes;
  }
  std::string Json(const std::string& name) {
    const auto snapshot = state_.Get(name);
    return snapshot.ok() ? std::string((*snapshot)->json) : "none";
  }

  absl::Duration clock_ = absl::Hours(1000);
  absl::Time wall_ = absl::FromUnixSeconds(1'700'000'000);  // stands still
  ClusterState state_;
  PerfCounters counters_;
  DaemonDirectory directory_{&state_};
  DaemonHealth health_;
  std::vector<v1::HealthCheck> checks_;
  std::unique_ptr<ReportedDaemons> daemons_;
};

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORTED_DAEMONS_FIXTURE_H_
