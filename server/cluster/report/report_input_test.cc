// What daemons may not send, and what becomes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/cluster/report/reported_daemons_fixture.h"

namespace outpost::cluster::report {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;
using v1::IngestCounterDescription;
using v1::IngestRejected;

class ReportInputTest : public ReportedDaemonsTest {
 protected:
  struct Outcome {
    IngestRejected::Reason reason;
    std::string field;
    bool operator==(const Outcome&) const = default;
  };

  // Sends what `fill` makes, which is to be rejected; the stream goes on.
  Outcome Reject(Daemon& daemon, const std::function<void(v1::ReportRequest&)>& fill) {
    v1::ReportRequest request;
    fill(request);
    daemon.Send(request);
    EXPECT_TRUE(daemon.link->end.ok()) << daemon.link->end.ToString();
    EXPECT_EQ(daemon.link->acknowledged, daemon.sequence) << "a rejection counts as an answer";
    const IngestRejected rejected = daemon.LastRejection();
    EXPECT_THAT(rejected.message(), StartsWith("backup.1: ")) << "it names the daemon";
    return {rejected.reason(), rejected.field()};
  }
  static Outcome Invalid(const std::string& field) {
    return {IngestRejected::REASON_INVALID, field};
  }
  static Outcome Limit(const std::string& field) { return {IngestRejected::REASON_LIMIT, field}; }
  static Outcome Index(const std::string& field) {
    return {IngestRejected::REASON_BAD_INDEX, field};
  }
};

TEST_F(ReportInputTest, ABadHelloNamesTheField) {
  const std::vector<std::pair<std::string, std::function<void(v1::IngestHello&)>>> cases = {
      {"service_type", [](auto& hello) { hello.clear_service_type(); }},
      {"service_type", [](auto& hello) { hello.set_service_type("OSD"); }},
      {"service_type", [](auto& hello) { hello.set_service_type("1osd"); }},
      {"service_type", [](auto& hello) { hello.set_service_type(std::string(65, 'a')); }},
      {"daemon_id", [](auto& hello) { hello.clear_daemon_id(); }},
      {"daemon_id", [](auto& hello) { hello.set_daemon_id("a b"); }},
      {"daemon_id", [](auto& hello) { hello.set_daemon_id("a/b"); }},
      {"daemon_id", [](auto& hello) { hello.set_daemon_id("\xc3\xa4"); }},
      {"daemon_id", [](auto& hello) { hello.set_daemon_id(std::string(129, 'a')); }},
      {"hostname", [](auto& hello) { hello.clear_hostname(); }},
      {"hostname", [](auto& hello) { hello.set_hostname("host1.example.com"); }},
      {"version", [](auto& hello) { hello.set_version(std::string(300, 'v')); }},
      {"instance", [](auto& hello) { hello.clear_instance(); }},
      {"instance", [](auto& hello) { hello.set_instance(std::string(300, 'i')); }},
      {"lease", [](auto& hello) { hello.mutable_lease()->set_seconds(-1); }},
      {"lease", [](auto& hello) { hello.mutable_lease(); }},
      {"protocol_versions", [](auto& hello) { hello.clear_protocol_versions(); }},
  };
  for (const auto& [field, change] : cases) {
    auto hello = Hello("1");
    change(hello);
    const Daemon daemon = Report(hello);
    EXPECT_EQ(daemon.stream, nullptr) << field;
    EXPECT_TRUE(absl::IsInvalidArgument(daemon.link->end)) << daemon.link->end.ToString();
    EXPECT_EQ(daemon.link->reason, "BAD_HELLO");
    EXPECT_THAT(std::string(daemon.link->end.message()),
                StartsWith(absl::StrCat("hello.", field, ":")));
  }
  EXPECT_EQ(daemons_->counts().live, 0u);
}

TEST_F(ReportInputTest, AnotherProtocolVersionIsRefused) {
  auto hello = Hello("1");
  hello.set_protocol_versions(0, 2);
  const Daemon daemon = Report(hello);
  EXPECT_TRUE(absl::IsFailedPrecondition(daemon.link->end));
  EXPECT_EQ(daemon.link->reason, "PROTOCOL_VERSION");
  hello.add_protocol_versions(1);
  EXPECT_NE(Report(hello).stream, nullptr);
}

TEST_F(ReportInputTest, TheFirstMessageIsHelloWithSequence1) {
  const auto first = [&](const v1::ReportRequest& request) {
    const auto link = std::make_shared<RecordingLink>();
    EXPECT_EQ(daemons_->Open(request, link), nullptr);
    EXPECT_EQ(link->reason, "PROTOCOL_ERROR");
  };
  first({});
  v1::ReportRequest keepalive;
  keepalive.set_sequence(1);
  keepalive.mutable_keepalive();
  first(keepalive);
  v1::ReportRequest hello;
  hello.set_sequence(2);
  *hello.mutable_hello() = Hello("1");
  first(hello);
}

TEST_F(ReportInputTest, AGapARepetitionOrASecondHelloEndsTheStream) {
  for (const uint64_t sequence : {0, 1, 3, 99}) {
    Daemon daemon = Report("1");
    v1::ReportRequest request;
    request.set_sequence(sequence);
    request.mutable_keepalive();
    daemons_->Handle(daemon.stream, request, 4);
    EXPECT_EQ(daemon.link->reason, "PROTOCOL_ERROR");
    EXPECT_THAT(std::string(daemon.link->end.message()),
                HasSubstr(absl::StrCat("backup.1: sequence: ", sequence, " came, and 2 was due")));
  }
  EXPECT_EQ(daemons_->counts().live, 1u) << "the daemon's lease runs on";
  Daemon daemon = Report("1");
  v1::ReportRequest hello;
  *hello.mutable_hello() = Hello("1");
  daemon.Send(hello);
  EXPECT_EQ(daemon.link->reason, "PROTOCOL_ERROR");
}

TEST_F(ReportInputTest, AnUnknownMessageIsRejected) {
  Daemon daemon = Report("1");
  EXPECT_EQ(Reject(daemon, [](auto&) {}).reason, IngestRejected::REASON_UNKNOWN_MESSAGE);
}

TEST_F(ReportInputTest, TooManyDaemons) {
  ReportOptions options;
  options.max_daemons = 2;
  Make(options);
  Daemon one = Report("1");
  const Daemon two = Report("2");
  const Daemon three = Report("3");
  EXPECT_TRUE(absl::IsResourceExhausted(three.link->end));
  EXPECT_EQ(three.link->reason, "TOO_MANY_DAEMONS");
  EXPECT_NE(Report("2").stream, nullptr) << "one that is known may come back";
  one.Goodbye(false);
  EXPECT_NE(Report("3").stream, nullptr);
}

TEST_F(ReportInputTest, EntriesThatCantBe) {
  ReportOptions options;
  options.max_entries = 2;
  options.max_entry_bytes = 200;
  Make(options);
  Daemon daemon = Report("1");
  daemon.Status("state", "kept");
  const auto status = [&](std::vector<std::pair<std::string, std::string>> entries) {
    return Reject(daemon, [&](auto& request) {
      for (const auto& [key, value] : entries) {
        (*request.mutable_status()->mutable_entries())[key] = value;
      }
    });
  };
  EXPECT_EQ(status({{"", "x"}}), Invalid("status.entries[\"\"]"));
  EXPECT_EQ(status({{std::string(129, 'k'), ""}}).reason, IngestRejected::REASON_INVALID);
  EXPECT_EQ(status({{"k", std::string(200, 'v')}}), Limit("status.entries[\"k\"]"));
  EXPECT_EQ(status({{"a", ""}, {"b", ""}, {"c", ""}}), Limit("status.entries"));
  EXPECT_EQ(
      Reject(daemon,
             [&](auto& request) { (*request.mutable_metadata()->mutable_entries())[""] = "x"; }),
      Invalid("metadata.entries[\"\"]"));
  EXPECT_EQ(StatusOf("1").at("state"), "kept") << "nothing of a rejected message is applied";
}

TEST_F(ReportInputTest, ASchemaThatCantBe) {
  ReportOptions options;
  options.max_counters = 3;
  options.max_counters_of_all = 4;
  Make(options);
  Daemon daemon = Report("1");
  const auto schema = [&](const std::function<void(v1::IngestPerfSchema&)>& change) {
    return Reject(daemon, [&](auto& request) {
      request.mutable_perf_schema()->set_version(1);
      for (const char* path : {"a", "b"}) {
        auto& counter = *request.mutable_perf_schema()->add_counters();
        counter.set_path(path);
        counter.set_kind(IngestCounterDescription::KIND_GAUGE);
      }
      change(*request.mutable_perf_schema());
    });
  };
  EXPECT_EQ(schema([](auto& s) { s.set_version(0); }), Invalid("perf_schema.version"));
  EXPECT_EQ(schema([](auto& s) { s.mutable_counters(1)->set_path("a"); }),
            Invalid("perf_schema.counters[1].path"));
  EXPECT_EQ(schema([](auto& s) { s.mutable_counters(1)->clear_path(); }),
            Invalid("perf_schema.counters[1].path"));
  EXPECT_EQ(schema([](auto& s) { s.mutable_counters(0)->set_path(std::string(257, 'p')); }),
            Invalid("perf_schema.counters[0].path"));
  EXPECT_EQ(schema([](auto& s) { s.mutable_counters(0)->clear_kind(); }),
            Invalid("perf_schema.counters[0].kind"));
  EXPECT_EQ(schema([](auto& s) {
              s.mutable_counters(0)->set_kind(static_cast<IngestCounterDescription::Kind>(99));
            }),
            Invalid("perf_schema.counters[0].kind"));
  EXPECT_EQ(
      schema([](auto& s) {
        s.mutable_counters(0)->set_value_type(static_cast<IngestCounterDescription::ValueType>(99));
      }),
      Invalid("perf_schema.counters[0].value_type"));
  EXPECT_EQ(schema([](auto& s) {
              s.mutable_counters(0)->set_unit(static_cast<IngestCounterDescription::Unit>(99));
            }),
            Invalid("perf_schema.counters[0].unit"));
  EXPECT_EQ(schema([](auto& s) { s.mutable_counters(0)->set_priority(11); }),
            Invalid("perf_schema.counters[0].priority"));
  EXPECT_EQ(schema([](auto& s) { s.mutable_counters(0)->set_nick("fünf5"); }),
            Invalid("perf_schema.counters[0].nick"));
  EXPECT_EQ(schema([](auto& s) {
              for (const char* path : {"c", "d"}) {
                auto& counter = *s.add_counters();
                counter.set_path(path);
                counter.set_kind(IngestCounterDescription::KIND_GAUGE);
              }
            }),
            Limit("perf_schema.counters"));
  EXPECT_THAT(counters_.Schemas({}), IsEmpty());
}

TEST_F(ReportInputTest, TheCountersOfAllDaemonsAreBounded) {
  ReportOptions options;
  options.max_counters_of_all = 7;
  Make(options);
  Daemon one = Report("1");
  one.Schema();
  Daemon two = Report("2");
  two.Schema();
  EXPECT_EQ(two.LastRejection().reason(), IngestRejected::REASON_LIMIT);
  one.Schema(2);
  EXPECT_EQ(one.LastRejection().reason(), IngestRejected::REASON_UNSPECIFIED);
  one.Goodbye(false);
  two.Schema();
  EXPECT_EQ(two.LastRejection().reason(), IngestRejected::REASON_UNSPECIFIED);
}

TEST_F(ReportInputTest, CountersThatDoNotFitTheSchemaAreNotAppliedAtAll) {
  Daemon daemon = Report("1");
  daemon.Schema();
  daemon.Counters({{0, 1}, {1, 2}});
  using Change = std::function<void(v1::IngestCounters&)>;
  const auto batch = [&](const Change& change) {
    return Reject(daemon, [&](auto& request) {
      request.mutable_counters()->set_schema_version(1);
      request.mutable_counters()->add_indexes(0);
      request.mutable_counters()->add_values(100);
      change(*request.mutable_counters());
    });
  };
  const auto add = [](v1::IngestCounters& counters, uint32_t index) {
    counters.add_indexes(index);
    counters.add_values(5);
  };
  const auto add_average = [](v1::IngestCounters& counters, uint32_t index) {
    counters.add_average_indexes(index);
    counters.add_average_sums(5);
    counters.add_average_counts(5);
  };
  EXPECT_EQ(batch([](auto& c) { c.add_indexes(1); }), Invalid("counters.values"));
  EXPECT_EQ(batch([](auto& c) { c.add_values(1); }), Invalid("counters.values"));
  EXPECT_EQ(batch([](auto& c) { c.add_average_sums(1); }), Invalid("counters.average_sums"));
  EXPECT_EQ(batch([](auto& c) { c.add_average_counts(1); }), Invalid("counters.average_counts"));
  EXPECT_EQ(batch([&](auto& c) { add(c, 4); }), Index("counters.indexes[1]"));
  EXPECT_EQ(batch([&](auto& c) { add(c, 0); }), Index("counters.indexes[1]")) << "twice";
  EXPECT_EQ(batch([&](auto& c) { add(c, 2); }), Index("counters.indexes[1]")) << "an average";
  EXPECT_EQ(batch([&](auto& c) { add(c, 3); }), Index("counters.indexes[1]")) << "a histogram";
  EXPECT_EQ(batch([&](auto& c) { add_average(c, 1); }), Index("counters.average_indexes[0]"));
  EXPECT_EQ(batch([&](auto& c) { add_average(c, 99); }), Index("counters.average_indexes[0]"));
  EXPECT_EQ(batch([](auto& c) { c.set_schema_version(7); }).reason,
            IngestRejected::REASON_SCHEMA_UNKNOWN);
  const auto series = Series("1", "b.ops");
  ASSERT_EQ(series[0].samples_size(), 1);
  EXPECT_EQ(series[0].samples(0).value(), 1);
  daemon.Counters({{1, 3}, {0, 2}});
  EXPECT_EQ(daemon.LastRejection().field(), "counters.indexes[1]") << "they ascend";
}

TEST_F(ReportInputTest, HealthMetricsThatCantBe) {
  Daemon daemon = Report("1");
  const auto metrics = [&](const std::vector<std::string>& types) {
    return Reject(daemon, [&](auto& request) {
      for (const auto& type : types)
        request.mutable_health_metrics()->add_metrics()->set_type(type);
    });
  };
  EXPECT_EQ(metrics({""}), Invalid("health_metrics.metrics[0].type"));
  EXPECT_EQ(metrics({"slow"}), Invalid("health_metrics.metrics[0].type"));
  EXPECT_EQ(metrics({"A", "B", "A"}), Invalid("health_metrics.metrics[2].type"));
  EXPECT_EQ(metrics(std::vector<std::string>(600, "A")), Limit("health_metrics.metrics"));
  EXPECT_THAT(health_.Get({}), IsEmpty());
}

TEST_F(ReportInputTest, StructuresThatCantBe) {
  ReportOptions options;
  options.max_structures = 2;
  options.max_structure_bytes = 10;
  options.max_structure_bytes_of_all = 15;
  Make(options);
  Daemon daemon = Report("1");
  const auto structure = [&](const std::string& name, const std::string& json) {
    return Reject(daemon, [&](auto& request) {
      request.mutable_structure()->set_name(name);
      request.mutable_structure()->set_json(json);
    });
  };
  EXPECT_EQ(structure("", "1"), Invalid("structure.name"));
  EXPECT_EQ(structure("a/b", "1"), Invalid("structure.name"));
  EXPECT_EQ(structure(std::string(129, 'n'), "1"), Invalid("structure.name"));
  EXPECT_EQ(structure("a", "{"), Invalid("structure.json"));
  EXPECT_EQ(structure("a", "1 2"), Invalid("structure.json"));
  EXPECT_EQ(structure("a", "[1,2,3,4,5]"), Limit("structure.json"));
  daemon.Structure("a", "[1,2,3,4]");
  EXPECT_EQ(structure("b", "[1,2,3]"), Limit("structure.json")) << "of all daemons";
  daemon.Structure("b", "1");
  EXPECT_EQ(structure("c", "1"), Limit("structure.name"));
  daemon.Structure("a", "");
  daemon.Structure("c", "1");
  EXPECT_EQ(Json("c"), "1");
}

TEST_F(ReportInputTest, AMessageThatIsTooLargeIsRejected) {
  ReportOptions options;
  options.max_message_bytes = 100;
  Make(options);
  Daemon daemon = Report("1");
  EXPECT_EQ(Reject(daemon,
                   [](auto& request) {
                     (*request.mutable_status()->mutable_entries())["k"] = std::string(100, 'v');
                   }),
            Limit(""));
}

TEST_F(ReportInputTest, ADaemonThatFloodsIsTooFast) {
  ReportOptions options;
  options.max_messages_per_interval = 10;
  Make(options);
  Daemon daemon = Report("1");
  for (int i = 0; i < 12; ++i) daemon.Status("n", absl::StrCat(i));
  EXPECT_THAT(daemon.link->rejected(), SizeIs(2));
  EXPECT_EQ(daemon.LastRejection().reason(), IngestRejected::REASON_TOO_FAST);
  EXPECT_EQ(StatusOf("1").at("n"), "9");
  Advance(absl::Seconds(5));
  daemon.Status("n", "later");
  EXPECT_EQ(StatusOf("1").at("n"), "later");
}

}  // namespace
}  // namespace outpost::cluster::report
