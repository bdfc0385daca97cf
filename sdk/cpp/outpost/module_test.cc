// What a module asks its manager for, and gets, over a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "absl/synchronization/notification.h"
#include "outpost/everything_module.h"

namespace outpost {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kPatience;
using ::testing::Pair;

using ModuleTest = AttachedTest;

TEST_F(ModuleTest, RemoteCarriesTheCallAndTellsFailuresApart) {
  std::string parent;
  manager_->OnRemote([&parent](const v1::RemoteCallRequest& request) -> absl::StatusOr<Json> {
    parent = request.parent_call();
    return Json{{"module", request.module()}, {"args", Json::parse(request.args_json())}};
  });
  const uint64_t id = manager_->StartCommand({{"prefix", "every remote"}});
  EXPECT_EQ(manager_->AwaitCommand(id).out, R"({"args":[1,2],"module":"other"})");
  EXPECT_EQ(parent, absl::StrCat("call-", id));
  manager_->OnRemote([](const v1::RemoteCallRequest&) -> absl::StatusOr<Json> {
    return absl::NotFoundError("no key");
  });
  EXPECT_THAT(manager_->RunCommand({{"prefix", "every remote"}}).err,
              HasSubstr("RAISED: other.add failed: NOT_FOUND: no key"));
  manager_->OnRemote(nullptr);
  EXPECT_THAT(manager_->RunCommand({{"prefix", "every remote"}}).err,
              HasSubstr("MODULE_NOT_ENABLED: module other is not enabled"));
}

TEST_F(ModuleTest, StructuresAreReadOnceAVersion) {
  EXPECT_EQ(manager_->RunCommand({{"prefix", "every get"}, {"name", "osd_map"}}).retval, -ENOENT);
  manager_->SetStructure("osd_map", {{"epoch", 1}});
  const absl::StatusOr<StructureRef> first = module().Get("osd_map");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->parsed().at("epoch"), 1);
  const absl::StatusOr<StructureRef> again = module().Get("osd_map");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(&again->parsed(), &first->parsed());
  EXPECT_EQ(manager_->calls("Cluster.Get"), 2);  // with the one that found nothing
  EXPECT_EQ(manager_->whole_reads(), 1);
  manager_->SetStructure("osd_map", {{"epoch", 2}});
  EXPECT_EQ(manager_->RunCommand({{"prefix", "every get"}, {"name", "osd_map"}}).out,
            R"({"epoch":2})");
  EXPECT_EQ(manager_->calls("Cluster.Get"), 3);
  EXPECT_EQ(first->json(), R"({"epoch":1})");
  EXPECT_EQ(module().GetPart("osd_map", "/epoch")->json(), "2");
  EXPECT_TRUE(*module().HaveMonConnection());
  ASSERT_EQ(module().ListStructures()->size(), 1);
  EXPECT_EQ(module().ListStructures()->front().version, 2);
}

TEST_F(ModuleTest, AReadAfterAChangeThatTheModuleWasToldOfSeesIt) {
  manager_->SetStructure("osd_map", {{"epoch", 0}});
  for (int epoch = 1; epoch <= 200; ++epoch) {
    ASSERT_TRUE(module().Get("osd_map").ok());  // kept, and watched
    manager_->SetStructure("osd_map", {{"epoch", epoch}});
    ASSERT_EQ(manager_->RunCommand({{"prefix", "every get"}, {"name", "osd_map"}}).out,
              absl::StrCat(R"({"epoch":)", epoch, "}"));
  }
}

TEST_F(ModuleTest, AfterACommandToTheClusterStructuresAreAskedForOnce) {
  manager_->SetStructure("osd_map", {{"epoch", 1}});
  manager_->OnClusterCommand([](const v1::SendClusterCommandRequest&) { return CommandResult(); });
  ASSERT_TRUE(module().Get("osd_map").ok());
  ASSERT_TRUE(module().MonCommand({{"prefix", "osd set"}}).ok());
  ASSERT_TRUE(module().Get("osd_map").ok());
  EXPECT_EQ(manager_->unchanged_reads(), 1);
  ASSERT_TRUE(module().Get("osd_map").ok());
  EXPECT_EQ(manager_->unchanged_reads(), 1);
}

TEST_F(ModuleTest, PartsAreTakenByPathAndFields) {
  manager_->SetStructure(
      "osd_map",
      {{"epoch", 3},
       {"osds", {{{"osd", 0}, {"up", 1}, {"in", 1}}, {{"osd", 1}, {"up", 0}, {"in", 1}}}}});
  EXPECT_EQ(module().GetPart("osd_map", "/osds/1", {"up"})->json(), R"({"up":0})");
  EXPECT_EQ(module().GetPart("osd_map", "/osds", {"osd", "up"})->json(),
            R"([{"osd":0,"up":1},{"osd":1,"up":0}])");
  EXPECT_TRUE(absl::IsNotFound(module().GetPart("osd_map", "/osds/7").status()));
}

TEST_F(ModuleTest, MetadataAndCounters) {
  manager_->SetMetadata("osd", "0", {{"hostname", "host1"}});
  manager_->SetCounter("osd", "0", "osd.op_w", 100, 160, 3);
  EXPECT_THAT(*module().GetMetadata("osd", "0"), ElementsAre(Pair("hostname", "host1")));
  EXPECT_TRUE(absl::IsNotFound(module().GetMetadata("osd", "1").status()));
  const auto series = module().GetCounters({.daemon = {"osd", "0"}, .paths = {"osd.op_w"}});
  ASSERT_TRUE(series.ok());
  ASSERT_EQ(series->size(), 1);
  EXPECT_EQ(Rate(series->front()), 20);
}

TEST_F(ModuleTest, OptionsAreKeptCurrent) {
  EXPECT_EQ(module().times_.Get(), 1);
  EXPECT_EQ(module().pause_.Get(), std::nullopt);
  ASSERT_TRUE(manager_->SetOption("times", "5").ok());
  EXPECT_TRUE(module().AwaitChanged("times=5"));
  EXPECT_EQ(*module().GetOption<int64_t>("times"), 5);
  ASSERT_TRUE(module().SetOption<int64_t>("times", 6).ok());
  EXPECT_EQ(module().times_.Get(), 6);
  EXPECT_EQ(manager_->GetOption("times"), "6");
  ASSERT_TRUE(module().SetOption("pause", absl::Milliseconds(1500)).ok());
  EXPECT_EQ(manager_->GetOption("pause"), "1.5");
  EXPECT_EQ(module().pause_.Get(), absl::Milliseconds(1500));
  EXPECT_TRUE(absl::IsNotFound(module().SetOption("nosuch", "1")));
  EXPECT_THAT(module().GetOption<bool>("nosuch").status().message(),
              HasSubstr("log_to_cluster_level, times, pause"));
  EXPECT_TRUE(absl::IsInvalidArgument(module().GetOption<bool>("times").status()));
}

TEST_F(ModuleTest, KeysAreKept) {
  EXPECT_EQ(*module().GetStore("a/1"), std::nullopt);
  ASSERT_TRUE(module().SetStore("a/1", std::string("x\0y", 3)).ok());
  ASSERT_TRUE(module().SetStore("a/2", "z").ok());
  EXPECT_EQ(*module().GetStore("a/1"), std::string("x\0y", 3));
  EXPECT_THAT(*module().GetStorePrefix("a/"), ElementsAre(Pair("a/1", _), Pair("a/2", "z")));
  EXPECT_TRUE(module().Apply(StoreBatch().Expect("a/2", "z").Set("b", "1").Remove("a/1")).ok());
  EXPECT_THAT(manager_->store(), ElementsAre(Pair("a/2", "z"), Pair("b", "1")));
  const absl::Status failed = module().Apply(StoreBatch().Expect("b", "2").Remove("b"));
  EXPECT_TRUE(absl::IsAborted(failed));
  EXPECT_THAT(failed.message(), HasSubstr("key b "));
  ASSERT_TRUE(module().SetStore("b", std::nullopt).ok());
  EXPECT_THAT(manager_->store(), ElementsAre(Pair("a/2", "z")));
}

TEST_F(ModuleTest, ClusterCommands) {
  const absl::StatusOr<CommandResult> away = module().MonCommand({{"prefix", "status"}});
  EXPECT_TRUE(absl::IsUnavailable(away.status()));
  manager_->OnClusterCommand([](const v1::SendClusterCommandRequest& request) {
    return CommandResult(-2, request.service_type() + request.service_id(), request.command_json());
  });
  const absl::StatusOr<CommandResult> answer = module().MonCommand({{"prefix", "status"}});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->retval, -2);
  EXPECT_EQ(answer->out, "mon");
  EXPECT_EQ(answer->err, R"({"prefix":"status"})");
  absl::Notification called;
  module().SendCommand({.service_type = "osd", .service_id = "3"},
                       [&called](absl::StatusOr<CommandResult> result) {
                         EXPECT_EQ(result->out, "osd3");
                         called.Notify();
                       });
  EXPECT_TRUE(called.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(ModuleTest, LogLinesArriveFromTheLevelOn) {
  module().log().Debug("unheard");
  module().log().Info("%d lines of %s", 2, "text");
  module().log().Warning("not\xffutf8");
  EXPECT_TRUE(manager_->WaitForLog("2 lines of text"));
  EXPECT_TRUE(manager_->WaitForLog("not?utf8"));
  ASSERT_TRUE(manager_->SetOption("log_level", "debug").ok());
  ASSERT_TRUE(module().AwaitChanged("log_level=1"));
  module().log().Debug("heard");
  EXPECT_TRUE(manager_->WaitForLog("heard"));
  for (const v1::LogRecord& record : manager_->log()) EXPECT_NE(record.message(), "unheard");
}

TEST_F(ModuleTest, KnowsWhoAndWhereItIs) {
  EXPECT_EQ(module().Name(), "tested");
  EXPECT_EQ(module().MgrId(), "x");
  EXPECT_EQ(module().Version(), "outpost-fake 0.1.0");
  EXPECT_EQ(module().ReleaseName(), "quincy");
  EXPECT_EQ(module().MgrIp(), "127.0.0.1");
  EXPECT_THAT(module().ClusterId(), HasSubstr("-4000-8000-"));
  EXPECT_EQ(LookupReleaseName(17), "quincy");
  EXPECT_EQ(LookupReleaseName(9), "infernalis");
  EXPECT_EQ(LookupReleaseName(8), "unknown");
  EXPECT_EQ(LookupReleaseName(99), "unknown");
  EXPECT_TRUE(*module().HaveMonConnection());
  manager_->SetConnected(false);
  EXPECT_FALSE(*module().HaveMonConnection());
}

TEST_F(ModuleTest, HostsAndDaemons) {
  manager_->SetMetadata("osd", "0", {{"hostname", "host1"}});
  manager_->SetMetadata("mon", "a", {{"hostname", "host1"}});
  manager_->SetDaemonStatus("rbd-mirror", "7", {{"json", "{}"}});
  manager_->SetHealthMetric("osd", "0", "SLOW_OPS", 4, 5);
  manager_->SetCounter("osd", "0", "osd.op_w", 100, 160, 3);
  ASSERT_EQ(module().ListServers()->size(), 1);
  EXPECT_EQ(module().GetServer("host1")->daemons.size(), 2);
  EXPECT_TRUE(absl::IsNotFound(module().GetServer("host2").status()));
  EXPECT_THAT(*module().GetDaemonStatus("rbd-mirror", "7"), ElementsAre(Pair("json", "{}")));
  EXPECT_TRUE(absl::IsNotFound(module().GetDaemonStatus("osd", "0").status()));
  const auto health = module().GetDaemonHealthMetrics();
  ASSERT_EQ(health->size(), 1);
  EXPECT_EQ(health->at(0).metrics.at(0).n2, 5);
  EXPECT_EQ(module().GetPerfSchema({"osd", "0"})->at(0).path, "osd.op_w");
  const auto latest = module().GetCounters({.latest_only = true});
  ASSERT_EQ(latest->at(0).samples.size(), 1);
  EXPECT_EQ(latest->at(0).samples[0].value, 160);
}

TEST_F(ModuleTest, TheManagerAndWhatItDoes) {
  v1::GetStatusResponse status;
  status.set_manager_id("x");
  status.mutable_started()->set_seconds(15);
  (*status.mutable_modules())["running"] = 3;
  v1::ManagerStats& stats = *status.mutable_stats();
  stats.mutable_usage()->set_threads(7);
  stats.mutable_usage()->set_cpu_seconds(0.5);
  (*stats.mutable_commands())["module"].set_failed(4);
  v1::LatencyHistogram& commits = *stats.mutable_store()->mutable_commits();
  for (const uint64_t count : {3, 1, 2}) commits.add_counts(count);
  for (const double bound : {0.5, 1.0}) commits.add_bounds(bound);
  manager_->SetManagerStatus(status);
  const auto told = module().GetManagerStatus();
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_EQ(told->manager_id, "x");
  EXPECT_EQ(told->started, absl::FromUnixSeconds(15));
  EXPECT_THAT(told->modules, ElementsAre(Pair("running", 3)));
  EXPECT_EQ(told->usage.threads, 7);
  EXPECT_EQ(told->usage.cpu, absl::Milliseconds(500));
  EXPECT_EQ(told->commands.at("module").failed, 4);
  ASSERT_EQ(told->store.commits.buckets.size(), 3);
  EXPECT_EQ(told->store.commits.buckets[1].bound, absl::Seconds(1));
  EXPECT_EQ(told->store.commits.buckets[2].bound, absl::InfiniteDuration());
  EXPECT_EQ(told->store.commits.count(), 6);
  manager_->RefuseCalls("Manager.GetStatus", absl::PermissionDeniedError("not you"));
  EXPECT_TRUE(absl::IsPermissionDenied(module().GetManagerStatus().status()));
}

TEST_F(ModuleTest, ModulesAndWhoIsSubscribed) {
  v1::ListModulesResponse modules;
  v1::ModuleInfo& sick = *modules.add_modules();
  sick.set_name("sick");
  sick.set_state(v1::MODULE_STATE_CANNOT_RUN);
  v1::ModuleInfo& well = *modules.add_modules();
  well.set_name("well");
  well.mutable_attached()->set_seconds(9);
  well.mutable_usage()->set_rss_bytes(4096);
  well.mutable_calls()->set_lost(2);
  manager_->SetModules(modules);
  const auto told = module().ListModules();
  ASSERT_TRUE(told.ok()) << told.status();
  ASSERT_EQ(told->size(), 2);
  EXPECT_EQ(told->at(0).state, "cannot run");
  EXPECT_FALSE(told->at(0).attached.has_value());
  EXPECT_FALSE(told->at(0).usage.has_value());
  EXPECT_EQ(told->at(1).attached, absl::FromUnixSeconds(9));
  EXPECT_EQ(told->at(1).usage->rss_bytes, 4096);
  EXPECT_EQ(told->at(1).calls.lost, 2);

  v1::ListSubscriptionsResponse subscriptions;
  v1::SubscriptionInfo& slow = *subscriptions.add_subscriptions();
  slow.set_owner("client");
  slow.add_types("osd_map");
  slow.set_missed(5);
  slow.mutable_lag()->set_nanos(250'000'000);
  manager_->SetSubscriptions(subscriptions);
  const auto subscribed = module().ListSubscriptions();
  ASSERT_TRUE(subscribed.ok()) << subscribed.status();
  ASSERT_EQ(subscribed->size(), 1);
  EXPECT_EQ(subscribed->at(0).owner, "client");
  EXPECT_THAT(subscribed->at(0).types, ElementsAre("osd_map"));
  EXPECT_EQ(subscribed->at(0).missed, 5);
  EXPECT_EQ(subscribed->at(0).lag, absl::Milliseconds(250));
}

TEST_F(ModuleTest, OptionsHaveLayers) {
  // What the manager sends after a change comes after all that it sent before.
  const auto becomes = [this](int64_t times) {
    return manager_->SetOption("pause", absl::StrCat(times)).ok() &&
           module().AwaitChanged(absl::StrCat("pause=", times)) && module().times_.Get() == times;
  };
  ASSERT_TRUE(module().SetOption<int64_t>("times", 5).ok());
  EXPECT_TRUE(becomes(5));
  ASSERT_TRUE(module().SetLocalizedOption<int64_t>("times", 7).ok());
  EXPECT_TRUE(becomes(7));
  ASSERT_TRUE(module().SetOption<int64_t>("times", 6).ok());
  ASSERT_TRUE(module().RemoveLocalizedOption("times").ok());
  EXPECT_TRUE(becomes(6));
  ASSERT_TRUE(module().RemoveOption("times").ok());
  EXPECT_TRUE(becomes(1));
  EXPECT_TRUE(absl::IsNotFound(module().RemoveOption("nosuch")));
}

TEST_F(ModuleTest, WhatIsToldLateDoesNotHideANewerValue) {
  manager_->HoldOptionChanges();
  ASSERT_TRUE(module().SetOption<int64_t>("times", 5).ok());
  ASSERT_TRUE(module().SetOption<int64_t>("times", 6).ok());
  for (int told = 0; told < 2; ++told) {  // of 5, and then of 6
    ASSERT_TRUE(manager_->ReleaseOptionChange());
    ASSERT_TRUE(manager_->Ping());  // it was taken
    EXPECT_EQ(*module().GetOption<int64_t>("times"), 6) << told;
  }
  // Somebody else's, after that.
  ASSERT_TRUE(manager_->SetOption("times", "7").ok());
  ASSERT_TRUE(manager_->ReleaseOptionChange());
  ASSERT_TRUE(manager_->Ping());
  EXPECT_EQ(*module().GetOption<int64_t>("times"), 7);
  EXPECT_FALSE(manager_->ReleaseOptionChange());
}

TEST_F(ModuleTest, AValueThatAStrongerLayerHidesIsNotSeen) {
  ASSERT_TRUE(module().SetLocalizedOption<int64_t>("times", 7).ok());
  ASSERT_TRUE(module().SetOption<int64_t>("times", 6).ok());
  EXPECT_EQ(*module().GetOption<int64_t>("times"), 7);
}

TEST_F(ModuleTest, AnotherManagersValuesCountThoughItHasToldLess) {
  for (int times : {2, 3, 4}) ASSERT_TRUE(module().SetOption<int64_t>("times", times).ok());
  manager_->Restart();
  ASSERT_TRUE(manager_->WaitForModule());
  ASSERT_TRUE(manager_->SetOption("times", "5").ok());
  ASSERT_TRUE(manager_->Ping());
  EXPECT_EQ(*module().GetOption<int64_t>("times"), 5);
}

TEST_F(ModuleTest, AValueThatAnOptionCannotHaveIsAnError) {
  const absl::Status status = module().SetOption<int64_t>("times", 10);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.message(), HasSubstr("Value '10' exceeds maximum 9"));
  EXPECT_EQ(module().times_.Get(), 1);
}

TEST_F(ModuleTest, OptionsOfOthers) {
  ASSERT_TRUE(manager_->SetOption("mgr/other/color", "red").ok());
  EXPECT_EQ(*module().GetModuleOption("other", "color"), "red");
  ASSERT_TRUE(module().SetModuleOption("other", "color", "green").ok());
  EXPECT_EQ(manager_->GetOption("mgr/other/color"), "green");
  EXPECT_TRUE(absl::IsNotFound(module().GetModuleOption("other", "nosuch").status()));
  EXPECT_TRUE(absl::IsNotFound(module().SetModuleOption("other", "nosuch", "x")));
  EXPECT_EQ(*module().GetClusterOption("osd.0", "osd_max_backfills"), std::nullopt);
  manager_->SetClusterOption("osd.0", "osd_max_backfills", "3");
  EXPECT_EQ(*module().GetClusterOption("osd.0", "osd_max_backfills"), "3");
}

TEST_F(ModuleTest, CallbacksHearOfTheirOptionOnly) {
  ASSERT_TRUE(manager_->SetOption("pause", "1.5").ok());
  ASSERT_TRUE(manager_->SetOption("times", "4").ok());
  EXPECT_TRUE(module().AwaitChanged("times=4"));
  EXPECT_EQ(module().heard_times_, 4);
  EXPECT_EQ(module().times_heard_, 1);
}

TEST_F(ModuleTest, AWriteThatIsRefusedIsAnError) {
  manager_->RefuseCalls("KeyValue.Put", absl::ResourceExhaustedError("value is over 8 MiB"));
  const absl::Status status = module().SetStore("k", "v");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(status.message(), "value is over 8 MiB");
  EXPECT_TRUE(manager_->store().empty());
  EXPECT_EQ(manager_->calls("KeyValue.Put"), 1);
  manager_->RefuseCalls("KeyValue.Put", absl::OkStatus());
  EXPECT_TRUE(module().SetStore("k", "v").ok());
}

TEST_F(ModuleTest, LocalizedKeysComeBeforePlainOnes) {
  EXPECT_EQ(*module().GetLocalizedStore("k"), std::nullopt);
  ASSERT_TRUE(module().SetStore("k", "everywhere").ok());
  EXPECT_EQ(*module().GetLocalizedStore("k"), "everywhere");
  ASSERT_TRUE(module().SetLocalizedStore("k", "here").ok());
  EXPECT_EQ(*module().GetLocalizedStore("k"), "here");
  EXPECT_THAT(manager_->store(), ElementsAre(Pair("k", "everywhere"), Pair("x/k", "here")));
  ASSERT_TRUE(module().SetLocalizedStore("k", std::nullopt).ok());
  EXPECT_EQ(*module().GetLocalizedStore("k"), "everywhere");
}

TEST_F(ModuleTest, MalformedHealthChecksAreNamed) {
  ASSERT_TRUE(module().SetHealthChecks({{.code = "GOOD", .summary = "s", .count = 0}}).ok());
  const auto error = [this](const HealthCheck& check) {
    const absl::Status status = module().SetHealthChecks({check});
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(error({.code = "not a code", .summary = "s"}),
            "health check \"not a code\": code: it is made of capitals, digits and '_', as "
            "OSD_DOWN");
  EXPECT_EQ(error({.code = "BAD"}), "health check BAD: summary: it is empty");
  EXPECT_THAT(error({.code = "BAD", .summary = "a\nb"}), HasSubstr("BAD: summary: it has more"));
  EXPECT_EQ(error({.code = "BAD", .summary = "s", .count = -1}),
            "health check BAD: count: -1 is below 0");
  EXPECT_EQ(error({.code = "BAD", .severity = static_cast<Severity>(7), .summary = "s"}),
            "health check BAD: severity: 7 is neither warning nor error");
  const HealthCheck twice = {.code = "BAD", .summary = "s"};
  EXPECT_EQ(module().SetHealthChecks({twice, twice}).message(),
            "health check BAD: code: it is there twice");
  EXPECT_TRUE(manager_->health_checks().contains("GOOD"));
  ASSERT_TRUE(module().SetHealthChecks({}).ok());
  EXPECT_TRUE(manager_->health_checks().empty());
}

TEST_F(ModuleTest, ProgressAndUriAreToldAndToldAgain) {
  ASSERT_TRUE(module().UpdateProgress({.id = "a", .message = "moving", .progress = 0.25}).ok());
  ASSERT_TRUE(module().UpdateProgress({.id = "a", .message = "moving", .progress = 0.5}).ok());
  ASSERT_TRUE(module().UpdateProgress({.id = "b", .message = "m", .in_status = false}).ok());
  EXPECT_EQ(manager_->progress().at("a").progress(), 0.5);
  EXPECT_FALSE(manager_->progress().at("b").in_status());
  EXPECT_TRUE(absl::IsInvalidArgument(module().UpdateProgress({.id = "c", .progress = 1.5})));
  EXPECT_TRUE(absl::IsInvalidArgument(module().UpdateProgress({.progress = 1})));
  ASSERT_TRUE(module().SetUri("http://host1:9283/").ok());
  EXPECT_EQ(manager_->uri(), "http://host1:9283/");
  ASSERT_TRUE(module().CompleteProgress("b").ok());
  EXPECT_TRUE(module().CompleteProgress("nosuch").ok());
  EXPECT_THAT(manager_->completed_progress(), ElementsAre("b"));
  manager_->Restart();
  EXPECT_TRUE(manager_->WaitForProgress("a"));
  EXPECT_TRUE(manager_->WaitForUri("http://host1:9283/"));
  EXPECT_FALSE(manager_->progress().contains("b"));
  EXPECT_FALSE(manager_->progress().contains("c"));
  ASSERT_TRUE(module().ClearProgress().ok());
  EXPECT_TRUE(manager_->progress().empty());
}

TEST_F(ModuleTest, CommandsToDaemons) {
  manager_->OnClusterCommand([](const v1::SendClusterCommandRequest& request) {
    const std::string who = request.service_type() + "." + request.service_id();
    return CommandResult(request.inbuf() == "fail" ? -ENOENT : 0, who, request.inbuf());
  });
  EXPECT_EQ(module().OsdCommand(3, {{"prefix", "perf dump"}})->out, "osd.3");
  EXPECT_EQ(module().TellCommand("mds", "a", {{"prefix", "session ls"}}, "in")->err, "in");
  // A daemon's return code is kept.
  EXPECT_EQ(module().OsdCommand(3, {{"prefix", "p"}}, "fail")->retval, -ENOENT);
  EXPECT_EQ(module().CheckMonCommand({{"prefix", "status"}})->out, "mon.");
  const absl::Status refused = module().CheckMonCommand({{"prefix", "p"}}, "fail").status();
  EXPECT_EQ(refused.message(), "p failed: fail retval: -2");
  EXPECT_EQ(ToErrno(refused), ENOENT);
}

TEST_F(ModuleTest, ATaggedCommandNotifiesItsSender) {
  ASSERT_TRUE(manager_->WaitForSubscriber());
  manager_->OnClusterCommand([](const auto&) { return CommandResult::Ok("done"); });
  auto result = module().SendCommand(
      {.service_type = "osd", .service_id = "3", .command = {{"prefix", "p"}}, .tag = "my tag"});
  EXPECT_EQ(result.get()->out, "done");
  EXPECT_TRUE(module().AwaitNotified(
      [](const Notification& n) { return n.type == "command" && n.id == "my tag"; }));
}

TEST_F(ModuleTest, RemoteArgumentsThatAreNotJsonAreRefused) {
  manager_->OnRemote([](const v1::RemoteCallRequest&) -> absl::StatusOr<Json> { return 1; });
  EXPECT_TRUE(module().Remote("other", "m", {1}).ok());
  for (const auto& [args, kwargs] :
       {std::pair{Json(1), Json::object()}, std::pair{Json::array(), Json::array()},
        std::pair{Json{"\xff"}, Json::object()}}) {
    const absl::Status status = module().Remote("other", "m", args, kwargs).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("other.m: the arguments are not"));
  }
}

TEST_F(ModuleTest, SelfTestIsAMethod) {
  EXPECT_EQ(manager_->CallMethod("self_test").result_json(), "\"all is well\"");
  module().spoilt_ = true;
  EXPECT_EQ(manager_->CallMethod("self_test").error().message(), "no disk");
}

TEST_F(ModuleTest, ClusterLogLinesHaveAChannel) {
  ASSERT_TRUE(manager_->SetOption("log_level", "critical").ok());
  ASSERT_TRUE(module().AwaitChanged("log_level=1"));
  module().ClusterLog("audit", LogLevel::kInfo, "seen");
  ASSERT_TRUE(manager_->WaitForLog("seen"));
  EXPECT_EQ(manager_->log().back().channel(), "audit");
  EXPECT_EQ(manager_->log().back().level(), v1::LOG_LEVEL_INFO);
}

TEST_F(ModuleTest, LogLinesGoToTheClusterToo) {
  ASSERT_TRUE(manager_->SetOption("log_to_cluster_level", "warning").ok());
  ASSERT_TRUE(manager_->SetOption("log_to_cluster", "true").ok());
  ASSERT_TRUE(module().AwaitChanged("log_to_cluster=1"));
  module().log().Info("of small weight");
  module().log().Warning("of weight");
  ASSERT_TRUE(manager_->WaitForLog("of weight"));
  for (const v1::LogRecord& record : manager_->log()) {
    EXPECT_EQ(record.channel(), record.message() == "of weight" ? "cluster" : "");
  }
}

TEST_F(ModuleTest, AModulesOwnFileNeedsAFileOfTheManagers) {
  ASSERT_TRUE(manager_->SetOption("log_to_file", "true").ok());
  EXPECT_TRUE(manager_->WaitForLog("log_to_file has no effect, as the manager's own log is no"));
  module().log().Info("not lost");
  EXPECT_TRUE(manager_->WaitForLog("not lost"));
}

TEST(LogFileTest, LinesGoToTheModulesOwnFile) {
  const std::string base = ::testing::TempDir() + "/mgr.x";
  const auto manager = testing::FakeManager::Start({.log_file = base + ".log"});
  testing::RunningModule<Everything> running(manager->address());
  ASSERT_TRUE(manager->WaitForModule());
  Everything& module = running.module();
  ASSERT_TRUE(manager->SetOption("log_to_file", "true").ok());
  ASSERT_TRUE(module.AwaitChanged("log_to_file=1"));
  module.log().Warning("in the file");
  const auto content = [&base] {
    std::ifstream file(base + ".tested.log");
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_THAT(content(), ::testing::ContainsRegex(
                             "^20..-..-.. ..:..:..,... .[0-9]+. .WARNING. .root. in the file\n$"));
  ASSERT_TRUE(manager->SetOption("log_to_file", "false").ok());
  ASSERT_TRUE(manager->SetOption("times", "2").ok());  // is told after it
  ASSERT_TRUE(module.AwaitChanged("times=2"));
  module.log().Info("with the manager");
  EXPECT_TRUE(manager->WaitForLog("with the manager"));
  EXPECT_THAT(content(), ::testing::Not(HasSubstr("with the manager")));
  for (const v1::LogRecord& record : manager->log()) EXPECT_NE(record.message(), "in the file");
}

}  // namespace
}  // namespace outpost
