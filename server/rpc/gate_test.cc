// Whom the gate lets in, what becomes of that later, and what it costs.
#include "server/rpc/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "outpost/v1/commands.pb.h"
#include "outpost/v1/config.pb.h"
#include "server/auth/caps.h"
#include "server/module/supervisor_fixture.h"

namespace outpost::rpc {
namespace {

using testing::HasSubstr;

class GateTest : public module::SupervisorTest {
 protected:
  GateTest() {
    StartManager();
    entities_ = std::make_unique<auth::Entities>(&manager->store());
    auto audit =
        auth::AuditLog::Open(scratch.path() + "/audit.log", {}, [](uint64_t, const auto&) {});
    EXPECT_TRUE(audit.ok()) << audit.status();
    audit_ = *std::move(audit);
    gate_ = std::make_unique<Gate>(
        Gate::Parts{.supervisor = &manager->supervisor(),
                    .entities = entities_.get(),
                    .audit = audit_.get(),
                    .origin =
                        [this](const grpc::CallbackServerContext&) {
                          return Origin{.peer = peer_,
                                        .address = address_,
                                        .from = absl::StrCat(peer_->proof, ", pid ", 17)};
                        },
                    .is_revoked = [this](const auth::Peer&) { return revoked_; }});
    SetPeer("user/alice");
  }
  ~GateTest() override { (*manager)->Stop(); }

  void SetPeer(const std::string& name, absl::Time expires = absl::InfiniteFuture()) {
    auth::Peer peer;
    peer.name = name;
    peer.proof = "uid 1000";
    peer.expires = expires;
    if (absl::StartsWith(name, "module/")) peer.module = name.substr(7);
    peer_ = std::make_shared<const auth::Peer>(std::move(peer));
  }
  void Grant(const std::string& name, const std::string& caps) {
    absl::Notification done;
    entities_->Set(name, *auth::Caps::Parse(caps), [&](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      done.Notify();
    });
    done.WaitForNotification();
  }
  void Revoke(const std::string& name) {
    absl::Notification done;
    entities_->Remove(name, [&](const absl::Status&) { done.Notify(); });
    done.WaitForNotification();
  }
  absl::Status Admit(const char* method, const std::string& request = "") {
    context_ = std::make_unique<CallContext>();
    const Right& right = *FindRight(method);
    const bool is_stream = std::string(method).find("Watch") != std::string::npos ||
                           std::string(method).find("Attach") != std::string::npos;
    return gate_->Admit(
        right, is_stream, [&] { return request; }, context_.get());
  }
  static std::string OptionRequest(const std::string& key) {
    v1::ConfigSetRequest request;
    request.set_key(key);
    return request.SerializeAsString();
  }

  std::shared_ptr<const auth::Peer> peer_;
  std::string address_;
  bool revoked_ = false;
  std::unique_ptr<auth::Entities> entities_;
  std::unique_ptr<auth::AuditLog> audit_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<CallContext> context_;
};

TEST_F(GateTest, WhoIsNotKnownIsRefusedByName) {
  const absl::Status refused = Admit("outpost.v1.Manager.GetStatus");
  EXPECT_TRUE(absl::IsUnauthenticated(refused));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("user/alice (uid 1000, pid 17) is not known here"));
  const std::string line = audit_->Last(1).at(0);
  EXPECT_THAT(line, HasSubstr("\"who\":\"user/alice\""));
  EXPECT_THAT(line, HasSubstr("\"method\":\"outpost.v1.Manager.GetStatus\""));
  EXPECT_THAT(line, HasSubstr("\"result\":-13"));
}

TEST_F(GateTest, AsCapsSay) {
  Grant("user/alice", "allow r");
  EXPECT_TRUE(Admit("outpost.v1.Manager.GetStatus").ok());
  EXPECT_EQ(context_->caller.name, "user/alice");
  EXPECT_EQ(context_->caller.module, "");
  const absl::Status refused = Admit("outpost.v1.Manager.EnableModule");
  EXPECT_TRUE(absl::IsPermissionDenied(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("it lacks \"allow service mgr rw\""));
  Grant("user/alice", "allow module hello rw");
  EXPECT_TRUE(Admit("outpost.v1.Config.Set", OptionRequest("mgr/hello/place")).ok());
  EXPECT_FALSE(Admit("outpost.v1.Config.Set", OptionRequest("mgr/other/place")).ok());
  EXPECT_FALSE(Admit("outpost.v1.Config.Set", OptionRequest("global/place")).ok());
  EXPECT_FALSE(Admit("outpost.v1.Config.Set", "\xff no request").ok());
}

TEST_F(GateTest, CommandsThatGiveRightsInTheClusterNeedExecute) {
  const auto send = [this](const std::string& prefix) {
    v1::SendClusterCommandRequest request;
    request.set_service_type("mon");
    request.set_command_json("{\"prefix\": \"" + prefix + "\"}");
    return Admit("outpost.v1.Commands.SendClusterCommand", request.SerializeAsString());
  };
  for (const char* caps : {"allow rw", "profile read-write", "allow service mon rwx"}) {
    Grant("user/alice", caps);
    EXPECT_TRUE(send("osd ls").ok()) << caps;
    const absl::Status refused = send("auth get-or-create");
    EXPECT_TRUE(absl::IsPermissionDenied(refused)) << caps;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("it lacks \"allow service auth rwx\""));
  }
  EXPECT_FALSE(send("config-key get").ok()) << "of the monitors alone";
  for (const char* caps :
       {"allow service auth rwx", "allow rwx", "allow *", "allow command \"auth get-or-create\""}) {
    Grant("user/alice", caps);
    EXPECT_TRUE(send("auth get-or-create").ok()) << caps;
  }
  Grant("user/alice", "allow service config-key rw");
  EXPECT_TRUE(send("config-key get").ok());
}

// What somebody's call is to come to is noted; what it was about, too.
TEST_F(GateTest, ChangesByUsersAreNoted) {
  Grant("user/alice", "allow rw");
  v1::ConfigSetRequest request;
  request.set_key("mgr/hello/password");
  request.set_value("hunter2");
  ASSERT_TRUE(Admit("outpost.v1.Config.Set", request.SerializeAsString()).ok());
  ASSERT_NE(context_->audit, nullptr);
  EXPECT_EQ(context_->audit->who, "user/alice");
  EXPECT_EQ(context_->audit->arguments.dump(), R"({"key":"mgr/hello/password"})");
  EXPECT_TRUE(context_->audit->hides);
  EXPECT_EQ(audit_->Last(9).size(), 0U) << "not before it ends";
  v1::SendClusterCommandRequest command;
  command.set_service_type("osd");
  command.set_service_id("3");
  command.set_command_json(R"({"prefix": "config set", "key": "x", "value": "hunter3"})");
  ASSERT_TRUE(Admit("outpost.v1.Commands.SendClusterCommand", command.SerializeAsString()).ok());
  ASSERT_NE(context_->audit, nullptr);
  EXPECT_EQ(context_->audit->arguments.dump(),
            R"({"prefix":"config set","service_id":"3","service_type":"osd"})");
  ASSERT_TRUE(Admit("outpost.v1.Manager.GetStatus").ok());
  EXPECT_EQ(context_->audit, nullptr) << "it only reads";
  Grant("module/hello", "allow *");
  SetPeer("module/hello");
  ASSERT_TRUE(Admit("outpost.v1.Config.Set", request.SerializeAsString()).ok());
  EXPECT_EQ(context_->audit, nullptr) << "a module's work";
  // What was refused is written at once, and says what about.
  SetPeer("user/alice");
  Grant("user/alice", "allow r");
  EXPECT_FALSE(Admit("outpost.v1.Config.Set", request.SerializeAsString()).ok());
  EXPECT_EQ(context_->audit, nullptr);
  EXPECT_THAT(audit_->Last(1).at(0), HasSubstr(R"("arguments":{"key":"mgr/hello/password"})"));
  EXPECT_THAT(audit_->Last(1).at(0), testing::Not(HasSubstr("hunter")));
}

TEST_F(GateTest, WhatSomebodySendsWhoIsNotKnownIsNotRead) {
  context_ = std::make_unique<CallContext>();
  bool was_read = false;
  const absl::Status refused = gate_->Admit(
      *FindRight("outpost.v1.Config.Set"), /*is_stream=*/false,
      [&] {
        was_read = true;
        return std::string();
      },
      context_.get());
  EXPECT_TRUE(absl::IsUnauthenticated(refused));
  EXPECT_FALSE(was_read);
}

TEST_F(GateTest, NetworksAreOfWhoComesByOne) {
  Grant("user/alice", "allow r network 10.0.0.0/8");
  EXPECT_FALSE(Admit("outpost.v1.Manager.GetStatus").ok());  // by the socket
  address_ = "10.1.2.3";
  EXPECT_TRUE(Admit("outpost.v1.Manager.GetStatus").ok());
  address_ = "11.1.2.3";
  EXPECT_FALSE(Admit("outpost.v1.Manager.GetStatus").ok());
}

TEST_F(GateTest, WhatIsAModulesOwnIsFreeToIt) {
  Grant("module/hello", "allow command nothing");
  SetPeer("module/hello");
  EXPECT_TRUE(Admit("outpost.v1.Config.Set", OptionRequest("place")).ok());
  EXPECT_TRUE(Admit("outpost.v1.Config.Set", OptionRequest("mgr/hello/place")).ok());
  EXPECT_FALSE(Admit("outpost.v1.Config.Set", OptionRequest("mgr/other/place")).ok());
  EXPECT_TRUE(Admit("outpost.v1.Health.Set").ok());
  EXPECT_TRUE(Admit("outpost.v1.KeyValue.Put").ok());
  EXPECT_FALSE(Admit("outpost.v1.Cluster.Get").ok());
}

TEST_F(GateTest, AStreamLastsAsLongAsItsRights) {
  Grant("user/alice", "allow r");
  ASSERT_TRUE(Admit("outpost.v1.Config.Watch").ok());
  const auto still_may = context_->still;
  ASSERT_NE(still_may, nullptr);
  const CallContext::Still& still = *still_may;
  EXPECT_TRUE(still().ok());
  Grant("user/alice", "allow r, allow command x");  // others, and enough
  EXPECT_TRUE(still().ok());
  Grant("user/alice", "allow service health r");
  EXPECT_TRUE(absl::IsPermissionDenied(still()));
  Revoke("user/alice");
  EXPECT_TRUE(absl::IsUnauthenticated(still()));
  Grant("user/alice", "allow *");
  EXPECT_TRUE(still().ok());
  revoked_ = true;
  EXPECT_TRUE(absl::IsUnauthenticated(still()));
  ASSERT_TRUE(Admit("outpost.v1.Manager.GetStatus").ok());
  EXPECT_EQ(context_->still, nullptr) << "no stream";
}

TEST_F(GateTest, ACertificateExpiresAlsoWhileItIsUsed) {
  Grant("user/alice", "allow r");
  SetPeer("user/alice", absl::Now() + absl::Milliseconds(300));
  ASSERT_TRUE(Admit("outpost.v1.Config.Watch").ok());
  const auto still_may = context_->still;
  ASSERT_NE(still_may, nullptr);
  const CallContext::Still& still = *still_may;
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (still().ok() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_THAT(std::string(still().message()), HasSubstr("has expired"));
  EXPECT_TRUE(absl::IsUnauthenticated(Admit("outpost.v1.Manager.GetStatus")));
}

TEST_F(GateTest, ASessionOfAUserEndsWhenTheirCapsChange) {
  Grant("user/alice", "allow module hello rwx");
  ASSERT_TRUE(Admit("outpost.v1.ModuleHost.Attach").ok());
  const auto still_may = context_->still;
  ASSERT_NE(still_may, nullptr);
  const CallContext::Still& still = *still_may;
  EXPECT_TRUE(still().ok());
  Grant("user/alice", "allow module other rwx");
  EXPECT_TRUE(absl::IsPermissionDenied(still()));
  // A module's is its own, whatever it may do besides.
  SetPeer("module/hello");
  ASSERT_TRUE(Admit("outpost.v1.ModuleHost.Attach").ok());
  const auto still_own = context_->still;
  ASSERT_NE(still_own, nullptr);
  const CallContext::Still& own = *still_own;
  Grant("module/hello", "allow command nothing");
  EXPECT_TRUE(own().ok());
}

// Printed for who reads the log of the test; how long it takes is judged with a margin that a
// busy machine does not use up.
TEST_F(GateTest, WhatItCosts) {
  Grant("user/alice", "profile read-write");
  const Right& right = *FindRight("outpost.v1.Commands.Run");
  const std::function<std::string()> request = [] { return std::string(); };
  CallContext context;
  std::vector<double> rounds;
  constexpr int kCalls = 20'000;
  for (int round = 0; round < 15; ++round) {
    const absl::Time begin = absl::Now();
    for (int i = 0; i < kCalls; ++i) {
      ASSERT_TRUE(gate_->Admit(right, /*is_stream=*/false, request, &context).ok());
    }
    rounds.push_back(absl::ToDoubleMicroseconds(absl::Now() - begin) / kCalls);
  }
  std::sort(rounds.begin(), rounds.end());
  std::printf("the gate before Commands.Run: %.2f us a call (median of %zu rounds of %d)\n",
              rounds[rounds.size() / 2], rounds.size(), kCalls);
  EXPECT_LT(rounds[0], 20);
}

}  // namespace
}  // namespace outpost::rpc
