// What a module asks its manager for, and gets, over a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  EXPECT_EQ(manager_->whole_reads(), 1);
  EXPECT_EQ(manager_->unchanged_reads(), 1);
  manager_->SetStructure("osd_map", {{"epoch", 2}});
  EXPECT_EQ(manager_->RunCommand({{"prefix", "every get"}, {"name", "osd_map"}}).out,
            R"({"epoch":2})");
  EXPECT_EQ(first->json(), R"({"epoch":1})");
  EXPECT_EQ(module().GetPart("osd_map", "/epoch")->json(), "2");
  EXPECT_TRUE(*module().HaveMonConnection());
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
  manager_->SetOption("times", "5");
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
              HasSubstr("log_level, times, pause"));
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
  manager_->SetOption("log_level", "debug");
  ASSERT_TRUE(module().AwaitChanged("log_level=1"));
  module().log().Debug("heard");
  EXPECT_TRUE(manager_->WaitForLog("heard"));
  for (const v1::LogRecord& record : manager_->log()) EXPECT_NE(record.message(), "unheard");
}

}  // namespace
}  // namespace outpost
