// The table of rights, held against the .proto files.
#include "server/rpc/rights.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "outpost/v1/auth.pb.h"
#include "outpost/v1/cluster.pb.h"
#include "outpost/v1/commands.pb.h"
#include "outpost/v1/config.pb.h"
#include "outpost/v1/health.pb.h"
#include "outpost/v1/ingest.pb.h"
#include "outpost/v1/key_value.pb.h"
#include "outpost/v1/manager.pb.h"
#include "outpost/v1/module_host.pb.h"
#include "outpost/v1/notifications.pb.h"
#include "outpost/v1/orchestrator.pb.h"
#include "outpost/v1/progress.pb.h"
#include "outpost/v1/remote.pb.h"

namespace outpost::rpc {
namespace {

// A message of each file that has a service, so that the linker keeps them all.
std::set<const google::protobuf::FileDescriptor*> Files() {
  return {
      v1::IsAuthorizedRequest::descriptor()->file(), v1::ClusterGetRequest::descriptor()->file(),
      v1::CommandsRunRequest::descriptor()->file(),  v1::ConfigGetRequest::descriptor()->file(),
      v1::HealthGetRequest::descriptor()->file(),    v1::ReportRequest::descriptor()->file(),
      v1::KeyValueGetRequest::descriptor()->file(),  v1::GetStatusRequest::descriptor()->file(),
      v1::AttachRequest::descriptor()->file(),       v1::SubscribeRequest::descriptor()->file(),
      v1::AddHostRequest::descriptor()->file(),      v1::ProgressListRequest::descriptor()->file(),
      v1::RemoteCallRequest::descriptor()->file()};
}

TEST(RightsTest, EveryRpcHasARow) {
  int methods = 0;
  for (const auto* file : Files()) {
    ASSERT_GT(file->service_count(), 0) << file->name();
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const std::string& name = file->service(s)->method(m)->full_name();
        EXPECT_NE(FindRight(name), nullptr) << "add a row for " << name << " to rights.cc";
        ++methods;
      }
    }
  }
  EXPECT_GT(methods, 90);
}

TEST(RightsTest, WhatChangesSomethingNeedsMoreThanReading) {
  for (const char* verb :
       {"Set",  "Put",   "Delete", "Remove", "Batch",  "Enable",  "Disable", "Restart",
        "Fail", "Mute",  "Unmute", "Add",    "Update", "Zap",     "Apply",   "Start",
        "Stop", "Pause", "Resume", "Drain",  "Create", "Perform", "Cancel"}) {
    for (const auto* file : Files()) {
      for (int s = 0; s < file->service_count(); ++s) {
        for (int m = 0; m < file->service(s)->method_count(); ++m) {
          const auto* method = file->service(s)->method(m);
          if (method->name().rfind(verb, 0) != 0) continue;
          const Right* right = FindRight(method->full_name());
          ASSERT_NE(right, nullptr);
          EXPECT_TRUE(right->kind == Right::Kind::kOwn || (right->access & auth::kWrite) != 0)
              << method->full_name();
        }
      }
    }
  }
}

TEST(RightsTest, WhoseOptionARequestMeans) {
  const auto of = [](const std::string& key) {
    v1::ConfigSetRequest request;
    request.set_key(key);
    return FindRight("outpost.v1.Config.Set")->of(request.SerializeAsString()).module;
  };
  EXPECT_EQ(of("mgr/hello/place"), "hello");
  EXPECT_EQ(of("mgr/hello/x/place"), "hello");
  EXPECT_EQ(of("place"), "");
  EXPECT_EQ(of("global/place"), "*");
  EXPECT_EQ(of("mgr/place"), "*");
  EXPECT_EQ(FindRight("outpost.v1.Config.List")->of("").module, "*");
  EXPECT_EQ(FindRight("outpost.v1.KeyValue.List")->of("").module, "");
  EXPECT_EQ(FindRight("outpost.v1.Config.Set")->of("\xff\xff no request").module, "");
}

TEST(RightsTest, WhatACommandToADaemonMeans) {
  v1::SendClusterCommandRequest request;
  request.set_service_type("osd");
  request.set_command_json(R"({"prefix": "perf dump", "x": 1})");
  const Right* right = FindRight("outpost.v1.Commands.SendClusterCommand");
  const Subject subject = right->of(request.SerializeAsString());
  EXPECT_EQ(subject.service, "osd");
  EXPECT_EQ(subject.command, "perf dump");
  EXPECT_EQ(subject.more, 0);
  request.set_command_json("[");
  EXPECT_EQ(right->of(request.SerializeAsString()).command, "");
}

// Who may write to the monitors can't make themselves the cluster's administrator by that.
TEST(RightsTest, WhatGivesRightsInTheClusterNeedsMore) {
  const Right* right = FindRight("outpost.v1.Commands.SendClusterCommand");
  const auto of = [&](const std::string& type, const std::string& json) {
    v1::SendClusterCommandRequest request;
    request.set_service_type(type);
    request.set_command_json(json);
    return right->of(request.SerializeAsString());
  };
  for (const char* json :
       {R"({"prefix": "auth get-or-create", "entity": "client.me"})", R"({"prefix": "auth ls"})",
        R"({"prefix": "  auth   ls "})", R"({"prefix": "\u0061uth\tls"})", R"({"prefix": "auth"})",
        R"({"prefix": ["auth", "ls"]})", R"({"prefix": ["auth ls"]})", R"({"prefix": "Auth ls"})",
        R"({"prefix": "osd ls", "prefix": "auth ls"})", R"({"prefix": "fs  authorize"})"}) {
    for (const char* type : {"mon", "osd", "mgr"}) {
      const Subject subject = of(type, json);
      EXPECT_EQ(subject.service, "auth") << json;
      EXPECT_EQ(subject.more, auth::kExecute) << json;
    }
  }
  EXPECT_EQ(of("mon", R"({"prefix": "config-key get"})").service, "config-key");
  EXPECT_EQ(of("mon", R"({"prefix": "config-key get"})").more, 0);
  for (const char* json : {R"({"prefix": "authentic"})", R"({"prefix": "osd auth"})",
                           R"({"prefix": "fs ls"})", R"({"x": "auth ls"})", R"(["auth ls"])"}) {
    EXPECT_EQ(of("mon", json).service, "mon") << json;
    EXPECT_EQ(of("mon", json).more, 0) << json;
  }
}

TEST(RightsTest, ServicesOfTheManagersCommands) {
  EXPECT_EQ(ServiceOfCommand("config set"), "config");
  EXPECT_EQ(ServiceOfCommand("config-key get"), "config-key");
  EXPECT_EQ(ServiceOfCommand("get"), "cluster");
  EXPECT_EQ(ServiceOfCommand("module enable"), "mgr");
  EXPECT_EQ(ServiceOfCommand("auth rm"), "auth");
}

}  // namespace
}  // namespace outpost::rpc
