// Reporter against a manager that does what the test says.
#include "outpost/reporter.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "outpost/errors.h"
#include "outpost/v1/error_details.pb.h"
#include "outpost/v1/ingest.grpc.pb.h"

namespace outpost {
namespace {

using google::protobuf::util::TimeUtil;
using testing::ElementsAre;
using v1::IngestRejected;
using v1::ReportRequest;

constexpr absl::Duration kPatience = absl::Seconds(20);

// One stream of reports, as the manager sees it.
class Call {
 public:
  using Stream = grpc::ServerReaderWriter<v1::ReportResponse, ReportRequest>;

  Call(grpc::ServerContext* context, Stream* stream) : context_(context), stream_(stream) {}

  // The next message; without one: there are no more.
  ReportRequest Read() {
    ReportRequest request;
    if (!stream_->Read(&request)) request.Clear();
    return request;
  }
  // The next message that `wanted` takes; those before it are acknowledged.
  ReportRequest SkipTo(const std::function<bool(const ReportRequest&)>& wanted) {
    for (ReportRequest request = Read(); request.sequence() != 0; request = Read()) {
      if (wanted(request)) return request;
      Acknowledge(request);
    }
    ADD_FAILURE() << "the stream has ended, and what was waited for did not come";
    return {};
  }
  ReportRequest SkipTo(ReportRequest::MessageCase kind) {
    return SkipTo([kind](const auto& request) { return request.message_case() == kind; });
  }
  ReportRequest SkipToStatus(const std::string& n) {
    return SkipTo([&n](const auto& request) {
      const auto& entries = request.status().entries();
      return entries.count("n") > 0 && entries.at("n") == n;
    });
  }
  // Acknowledges everything until the daemon has said goodbye, and half-closed.
  void TakeTheRest() {
    for (ReportRequest request = Read(); request.sequence() != 0; request = Read()) {
      Acknowledge(request);
    }
  }

  void Write(const v1::ReportResponse& response) { stream_->Write(response); }
  void Acknowledge(const ReportRequest& request) {
    v1::ReportResponse response;
    response.mutable_ack()->set_sequence(request.sequence());
    Write(response);
  }
  void Reject(const ReportRequest& request, IngestRejected::Reason reason) {
    v1::ReportResponse response;
    response.mutable_rejected()->set_sequence(request.sequence());
    response.mutable_rejected()->set_reason(reason);
    response.mutable_rejected()->set_field("f");
    response.mutable_rejected()->set_message("m");
    Write(response);
  }
  struct Terms {
    uint32_t window = 64;
    absl::Duration interval = absl::Hours(1);
    absl::Duration lease = absl::Hours(1);
    uint32_t min_priority = 0;
  };
  // Takes the hello, and welcomes the daemon.
  v1::IngestHello Welcome(const Terms& terms) {
    const ReportRequest first = Read();
    EXPECT_TRUE(first.has_hello());
    v1::ReportResponse response;
    v1::IngestWelcome& welcome = *response.mutable_welcome();
    welcome.set_protocol_version(1);
    welcome.set_min_priority(terms.min_priority);
    *welcome.mutable_report_interval() =
        TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(terms.interval));
    *welcome.mutable_lease() =
        TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(terms.lease));
    welcome.mutable_limits()->set_max_unacknowledged(terms.window);
    Write(response);
    return first.hello();
  }
  v1::IngestHello Welcome() { return Welcome(Terms()); }

  // Until the daemon has broken it off; gRPC's synchronous server calls nobody then.
  void AwaitCancelled() {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!context_->IsCancelled() && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_TRUE(context_->IsCancelled());
  }

 private:
  grpc::ServerContext* const context_;
  Stream* const stream_;
};

grpc::Status End(grpc::StatusCode code, const std::string& reason) {
  v1::ErrorInfo info;
  info.set_reason(reason);
  v1::RpcStatus details;
  google::protobuf::Any& any = *details.add_details();
  any.set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  info.SerializeToString(any.mutable_value());
  return {code, "words for people", details.SerializeAsString()};
}

// A manager that plays a script for each stream, one after the other. Scripts run on gRPC's
// threads.
class ScriptedManager final : public v1::Ingest::Service {
 public:
  using Script = std::function<grpc::Status(Call&)>;

  explicit ScriptedManager(std::vector<Script> scripts)
      : scripts_(std::make_move_iterator(scripts.begin()), std::make_move_iterator(scripts.end())) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.SetMaxReceiveMessageSize(-1);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~ScriptedManager() override { EXPECT_TRUE(AwaitPlayed()) << "some scripts were not played"; }

  const std::string& address() const { return address_; }
  ReporterOptions Options() const {
    return {.service_type = "agent", .daemon_id = "1", .address = address_};
  }

  // Whether all scripts have come to their ends, in time.
  bool AwaitPlayed() {
    const auto played = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return scripts_.empty() && playing_ == 0;
    };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&played), kPatience);
  }

  grpc::Status Report(grpc::ServerContext* context, Call::Stream* stream) override {
    Script script;
    {
      absl::MutexLock lock(&mu_);
      if (scripts_.empty()) {
        ADD_FAILURE() << "a stream too many";
        return End(grpc::StatusCode::FAILED_PRECONDITION, "NO_INGEST");
      }
      script = std::move(scripts_.front());
      scripts_.pop_front();
      ++playing_;
    }
    Call call(context, stream);
    grpc::Status status = script(call);
    absl::MutexLock lock(&mu_);
    --playing_;
    return status;
  }

 private:
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
  absl::Mutex mu_;
  std::deque<Script> scripts_ ABSL_GUARDED_BY(mu_);
  int playing_ ABSL_GUARDED_BY(mu_) = 0;
};

TEST(Reporter, WhatHasNoRoomIsMergedAndTheNewestIsSent) {
  absl::Notification full;
  absl::Notification said;
  ScriptedManager manager({[&](Call& call) {
    call.Welcome({.window = 2});
    const ReportRequest first = call.Read();
    const ReportRequest second = call.Read();
    full.Notify();
    EXPECT_TRUE(said.WaitForNotificationWithTimeout(kPatience));
    call.Acknowledge(first);
    call.Acknowledge(second);
    const ReportRequest status = call.SkipToStatus("99");
    EXPECT_LE(status.sequence(), 6u) << "the other 99 were never sent";
    call.Acknowledge(status);
    call.TakeTheRest();
    return grpc::Status::OK;
  }});
  Reporter reporter(manager.Options());
  reporter.Start();
  EXPECT_TRUE(full.WaitForNotificationWithTimeout(kPatience));
  for (int i = 0; i < 100; ++i) reporter.SetStatus({{"n", absl::StrCat(i)}});
  said.Notify();
  EXPECT_TRUE(reporter.Flush(kPatience).ok());
}

TEST(Reporter, AManagerThatReadsNothingCostsOneMessage) {
  constexpr int kStatuses = 300;
  const std::string megabyte(size_t{1} << 20, 'x');
  absl::Notification said;
  ScriptedManager manager({[&](Call& call) {
    call.Welcome({.window = 0});  // as many without an answer as it likes
    EXPECT_TRUE(said.WaitForNotificationWithTimeout(kPatience));
    int statuses = 0;
    std::string n;
    while (n != absl::StrCat(kStatuses - 1)) {
      const ReportRequest request = call.Read();
      if (request.sequence() == 0) {
        ADD_FAILURE() << "the newest was never sent";
        break;
      }
      if (!request.has_status()) continue;
      ++statuses;
      if (request.status().entries().count("n") > 0) n = request.status().entries().at("n");
    }
    EXPECT_LE(statuses, 8) << "what fits into gRPC's buffers, and not 300 MiB";
    return grpc::Status::OK;
  }});
  Reporter reporter(manager.Options());
  reporter.Start();
  for (int i = 0; i < kStatuses; ++i) {
    reporter.SetStatus({{"n", absl::StrCat(i)}, {"x", megabyte}});
    absl::SleepFor(absl::Milliseconds(1));  // so that each could have been sent
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(reporter.Flush(absl::Milliseconds(100))));
  said.Notify();
  EXPECT_TRUE(manager.AwaitPlayed());
}

TEST(Reporter, AnswersThatNeverComeAreWaitedForWhateverTheManagerAllows) {
  absl::Notification said;
  ScriptedManager manager({[&](Call& call) {
    call.Welcome({.window = 0});
    EXPECT_TRUE(said.WaitForNotificationWithTimeout(kPatience));
    uint64_t sequence = 0;
    for (ReportRequest request = call.Read(); request.sequence() != 0; request = call.Read()) {
      sequence = request.sequence();
    }
    EXPECT_LE(sequence, 65u) << "hello and 64";
    return grpc::Status::OK;
  }});
  Reporter reporter(manager.Options());
  reporter.Start();
  for (int i = 0; i < 1000; ++i) {
    reporter.SetStatus({{"n", absl::StrCat(i)}});
    absl::SleepFor(absl::Microseconds(100));
  }
  said.Notify();
  reporter.Close();
}

TEST(Reporter, ABrokenStreamIsBegunAgainAndEverythingIsToldAnew) {
  v1::IngestHello first;
  absl::Notification told;
  ScriptedManager manager(
      {[&](Call& call) {
         first = call.Welcome();
         call.Acknowledge(call.SkipTo(ReportRequest::kStructure));
         return End(grpc::StatusCode::UNAVAILABLE, "DROPPED");  // the lease was lost
       },
       [&](Call& call) {
         call.Read();
         return End(grpc::StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_DAEMONS");
       },
       [&](Call& call) {
         const v1::IngestHello hello = call.Welcome();
         EXPECT_EQ(hello.instance(), first.instance()) << "it is the same start of the process";
         std::set<ReportRequest::MessageCase> kinds;
         while (kinds.size() < 6) {
           const ReportRequest request = call.Read();
           if (request.sequence() == 0) {
             ADD_FAILURE() << "the stream ended, and not everything was told";
             break;
           }
           EXPECT_EQ(request.sequence(), kinds.size() + 2) << "each once, in order";
           kinds.insert(request.message_case());
           if (request.has_counters()) {
             EXPECT_THAT(request.counters().indexes(), ElementsAre(0, 1));
             EXPECT_THAT(request.counters().values(), ElementsAre(5, 7));
           }
           call.Acknowledge(request);
         }
         told.Notify();
         call.TakeTheRest();
         return grpc::Status::OK;
       }});
  Reporter reporter(manager.Options());
  auto files = reporter.AddCounter("a.files");
  auto level = reporter.AddGauge("a.level");
  reporter.SetMetadata({{"cpu", "fast"}});
  reporter.SetStatus({{"n", "1"}});
  reporter.SetHealthMetrics({{"SLOW_OPS", 1, 2}});
  reporter.SetStructure("s", {1});
  files->Add(5);
  level->Set(7);
  reporter.Start();
  EXPECT_TRUE(told.WaitForNotificationWithTimeout(kPatience));
  EXPECT_TRUE(reporter.Flush(kPatience).ok());
  reporter.Close();
  EXPECT_TRUE(reporter.status().ok());
}

class ReporterFinal : public testing::TestWithParam<const char*> {};

TEST_P(ReporterFinal, EndsReportingAndSaysWhy) {
  ScriptedManager manager({[](Call& call) {
    call.Read();
    return End(grpc::StatusCode::ABORTED, GetParam());
  }});  // a second stream would be one too many
  Reporter reporter(manager.Options());
  reporter.Start();
  const absl::Status status = reporter.Flush(kPatience);
  EXPECT_EQ(ErrorReason(status), GetParam());
  EXPECT_EQ(reporter.status(), status);
  EXPECT_FALSE(reporter.connected());
  absl::SleepFor(absl::Milliseconds(300));  // longer than the first pause before another try
}

INSTANTIATE_TEST_SUITE_P(Reasons, ReporterFinal,
                         testing::Values("BAD_HELLO", "PROTOCOL_VERSION", "NOT_ALLOWED",
                                         "PROTOCOL_ERROR", "REPLACED", "NO_INGEST"));

TEST(Reporter, AnothersStructureIsSentAgainAfterALeaseAndHoldsNobodyUp) {
  const absl::Duration lease = absl::Milliseconds(300);
  ScriptedManager manager({[&](Call& call) {
    call.Welcome({.lease = lease});
    absl::Time refused = absl::InfinitePast();
    for (int i = 0; i < 2; ++i) {
      const ReportRequest request = call.SkipTo(ReportRequest::kStructure);
      EXPECT_GE(absl::Now() - refused, lease) << "not before the owner may be stale";
      refused = absl::Now();
      call.Reject(request, IngestRejected::REASON_OWNED);
    }
    const ReportRequest taken = call.SkipTo(ReportRequest::kStructure);
    EXPECT_EQ(taken.structure().json(), "[2]") << "the newest";
    call.Acknowledge(taken);
    call.SkipTo(
        [](const auto& request) { return request.has_structure() || request.has_goodbye(); });
    return grpc::Status::OK;
  }});
  ReporterOptions options = manager.Options();
  absl::Mutex mu;
  std::vector<std::string> reasons;
  options.on_rejected = [&](const ReportRejection& rejection) {
    absl::MutexLock lock(&mu);
    reasons.push_back(rejection.reason);
  };
  Reporter reporter(options);
  reporter.SetStructure("s", {2});
  reporter.Start();
  EXPECT_TRUE(reporter.Flush(kPatience).ok()) << "everything is answered";
  const auto twice = [&] { return reasons.size() == 2; };
  {
    absl::MutexLock lock(&mu);
    EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&twice), kPatience));
    EXPECT_THAT(reasons, ElementsAre("REASON_OWNED", "REASON_OWNED"));
  }
  absl::SleepFor(2 * lease);  // it comes, is taken, and does not come again
  reporter.Close();
}

TEST(Reporter, TheLeaseIsKeptWhenThereIsNothingToSay) {
  ScriptedManager manager({[](Call& call) {
    call.Welcome({.lease = absl::Milliseconds(300)});
    for (int i = 0; i < 3; ++i) call.Acknowledge(call.SkipTo(ReportRequest::kKeepalive));
    call.TakeTheRest();
    return grpc::Status::OK;
  }});
  Reporter reporter(manager.Options());
  reporter.Start();
  EXPECT_TRUE(reporter.Flush(kPatience).ok());
  absl::SleepFor(absl::Milliseconds(600));
  EXPECT_TRUE(reporter.connected());
}

TEST(Reporter, TheManagerSetsThePace) {
  absl::Notification more;
  absl::Notification done;
  ScriptedManager manager({[&](Call& call) {
    call.Welcome({.min_priority = 5});
    ReportRequest batch = call.SkipTo(ReportRequest::kCounters);
    EXPECT_THAT(batch.counters().indexes(), ElementsAre(1)) << "the other is of no interest";
    call.Acknowledge(batch);
    more.Notify();
    v1::ReportResponse response;
    response.mutable_configure()->set_min_priority(0);
    response.mutable_configure()->mutable_report_interval()->set_nanos(20'000'000);
    call.Write(response);
    batch = call.SkipTo(ReportRequest::kCounters);
    EXPECT_THAT(batch.counters().indexes(), ElementsAre(0, 1)) << "every one that is, now";
    call.Acknowledge(batch);
    response.mutable_configure()->set_min_priority(9);
    call.Write(response);
    for (bool left_out = false; !left_out;) {
      batch = call.SkipTo(ReportRequest::kCounters);
      if (batch.sequence() == 0) break;
      call.Acknowledge(batch);
      left_out = batch.counters().indexes_size() == 1 && batch.counters().indexes(0) == 1;
    }
    done.Notify();
    call.TakeTheRest();
    return grpc::Status::OK;
  }});
  Reporter reporter(manager.Options());
  auto dull = reporter.AddCounter("a.dull", {.priority = 2});
  auto vital = reporter.AddCounter("a.vital", {.priority = 9});
  reporter.Start();
  EXPECT_TRUE(more.WaitForNotificationWithTimeout(kPatience));
  const absl::Time deadline = absl::Now() + kPatience;
  while (!done.HasBeenNotified() && absl::Now() < deadline) {
    dull->Add();
    vital->Add();
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_TRUE(done.HasBeenNotified());
}

TEST(Reporter, ALostSchemaIsSentAgainUnderItsVersionWithEveryCounter) {
  ScriptedManager manager({[](Call& call) {
    call.Welcome();
    const uint32_t version = call.SkipTo(ReportRequest::kPerfSchema).perf_schema().version();
    EXPECT_EQ(call.SkipTo(ReportRequest::kCounters).counters().schema_version(), version);
    v1::ReportResponse resend;
    resend.mutable_resend_schema()->set_schema_version(version);
    call.Write(resend);
    EXPECT_EQ(call.SkipTo(ReportRequest::kPerfSchema).perf_schema().version(), version);
    const ReportRequest batch = call.SkipTo(ReportRequest::kCounters);
    EXPECT_THAT(batch.counters().indexes(), ElementsAre(0)) << "at once, not in an hour";
    call.Acknowledge(batch);
    call.TakeTheRest();
    return grpc::Status::OK;
  }});
  Reporter reporter(manager.Options());
  auto files = reporter.AddCounter("a.files");
  reporter.Start();
  EXPECT_TRUE(reporter.Flush(kPatience).ok());
}

TEST(Reporter, TooFastWaitsAnIntervalAndSendsWhatIsNewest) {
  const absl::Duration interval = absl::Milliseconds(200);
  absl::Notification refused;
  ScriptedManager manager({[&](Call& call) {
    call.Welcome({.interval = interval});
    const ReportRequest status = call.SkipToStatus("1");
    call.Reject(status, IngestRejected::REASON_TOO_FAST);
    const absl::Time then = absl::Now();
    call.Acknowledge(call.SkipToStatus("2"));
    EXPECT_GE(absl::Now() - then, interval / 2);
    call.TakeTheRest();
    return grpc::Status::OK;
  }});
  ReporterOptions options = manager.Options();
  options.on_rejected = [&](const ReportRejection& rejection) {
    EXPECT_EQ(rejection.reason, "REASON_TOO_FAST");
    refused.Notify();
  };
  Reporter reporter(options);
  reporter.SetStatus({{"n", "1"}});
  reporter.Start();
  EXPECT_TRUE(refused.WaitForNotificationWithTimeout(kPatience));
  reporter.SetStatus({{"n", "2"}});
  absl::SleepFor(2 * interval);
  EXPECT_TRUE(reporter.Flush(kPatience).ok());
}

TEST(Reporter, WhatIsNewestGoesBeforeTheGoodbyeThoughThereWasNoRoom) {
  absl::Notification closing;
  ScriptedManager manager({[&](Call& call) {
    call.Welcome({.window = 1});
    const ReportRequest first = call.Read();
    EXPECT_TRUE(closing.WaitForNotificationWithTimeout(kPatience));
    call.Acknowledge(first);
    call.Acknowledge(call.SkipToStatus("last"));
    const ReportRequest goodbye = call.SkipTo(ReportRequest::kGoodbye);
    EXPECT_EQ(goodbye.goodbye().reason(), "for a test");
    EXPECT_TRUE(goodbye.goodbye().restarting());
    EXPECT_EQ(call.Read().sequence(), 0u) << "and half-closed";
    return grpc::Status::OK;
  }});
  Reporter reporter(manager.Options());
  reporter.Start();
  const absl::Time deadline = absl::Now() + kPatience;
  while (!reporter.connected() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  reporter.SetStatus({{"n", "last"}});
  std::thread closer([&] { reporter.Close("for a test", /*restarting=*/true); });
  absl::SleepFor(absl::Milliseconds(50));
  closing.Notify();
  closer.join();
}

TEST(Reporter, ClosesInTimeWhateverTheManagerDoesNotDo) {
  const std::string megabyte(size_t{1} << 20, 'x');
  for (const bool welcomed : {true, false}) {
    ScriptedManager manager({[&](Call& call) {
      if (welcomed) call.Welcome();
      call.AwaitCancelled();  // it reads nothing
      return grpc::Status::OK;
    }});
    Reporter reporter(manager.Options());
    reporter.Start();
    const absl::Time deadline = absl::Now() + kPatience;
    while (welcomed && !reporter.connected() && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    for (int i = 0; i < 8; ++i) reporter.SetStructure(absl::StrCat("s", i), megabyte);
    EXPECT_TRUE(absl::IsDeadlineExceeded(reporter.Flush(absl::Milliseconds(200))));
    const absl::Time begin = absl::Now();
    reporter.Close();
    EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
    EXPECT_TRUE(absl::IsFailedPrecondition(reporter.Flush())) << "it is closed";
  }
}

TEST(Reporter, WithoutAManagerItIsClosedAtOnce) {
  Reporter reporter({.service_type = "agent", .daemon_id = "1", .address = "unix:/nonexistent"});
  EXPECT_TRUE(absl::IsFailedPrecondition(reporter.Flush())) << "it was not started";
  reporter.Start();
  EXPECT_TRUE(absl::IsDeadlineExceeded(reporter.Flush(absl::Milliseconds(200))));
  EXPECT_FALSE(reporter.connected());
  const absl::Time begin = absl::Now();
  reporter.Close();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
}

}  // namespace
}  // namespace outpost
