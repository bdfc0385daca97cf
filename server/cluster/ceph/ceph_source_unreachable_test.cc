// CephSource where there is no cluster to reach. ceph_source_test.py has the rest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/cluster/ceph/ceph_source.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/source.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A port of loopback: nobody listens, or somebody does who never says a word.
class Port {
 public:
  explicit Port(bool listening) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(socket_, generic, size), 0);
    EXPECT_EQ(getsockname(socket_, generic, &size), 0);
    if (listening) {
      EXPECT_EQ(listen(socket_, 16), 0);
    }
    number_ = ntohs(address.sin_port);
  }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port() { close(socket_); }

  int number() const { return number_; }

 private:
  const int socket_;
  int number_ = 0;
};

std::string WriteFile(const std::string& name, const std::string& text) {
  std::string path = absl::StrCat(testing::TempDir(), "/", name);
  std::ofstream(path) << text;
  return path;
}

CephOptions OptionsFor(int port) {
  CephOptions options;
  options.keyring =
      WriteFile("keyring", "[client.admin]\n\tkey = AQCYDAJrD+ViJBAAf2+axxx9goFH+2yw9Me3Tg==\n");
  options.conf_file = WriteFile(
      absl::StrCat("ceph-", port, ".conf"),
      absl::StrCat("[global]\nfsid = 11111111-2222-3333-4444-555555555555\n",
                   "mon_host = [v2:127.0.0.1:", port, "/0]\n", "auth_client_required = cephx\n"));
  options.monitor_timeout = absl::Seconds(2);
  return options;
}

// A new reason alone is not announced, so this looks again and again.
std::string WaitForReason(ClusterState* state, absl::string_view unlike) {
  const absl::Time until = absl::Now() + absl::Seconds(20);
  Connection connection = state->connection();
  while (absl::StrContains(connection.reason, unlike) && absl::Now() < until) {
    absl::SleepFor(absl::Milliseconds(10));
    connection = state->connection();
  }
  EXPECT_FALSE(connection.connected);
  return connection.reason;
}

command::Result RunAndWait(CephSource* source, ClusterCommand command) {
  absl::Notification come;
  command::Result answer;
  source->RunCommand(std::move(command), [&](command::Result result) {
    answer = std::move(result);
    come.Notify();
  });
  EXPECT_TRUE(come.WaitForNotificationWithTimeout(absl::Seconds(20)));
  return answer;
}

void ExpectUnreachable(int port) {
  ClusterState state;
  PerfCounters counters;
  CephSource source(OptionsFor(port), &state, &counters);
  ASSERT_TRUE(source.Start().ok());
  EXPECT_THAT(state.connection().reason, HasSubstr("the monitors at"));
  EXPECT_THAT(WaitForReason(&state, "connecting"),
              AllOf(HasSubstr(absl::StrCat("127.0.0.1:", port)),
                    HasSubstr("can't be reached (no answer within 2 s)")));
  const absl::Time begin = absl::Now();
  const command::Result result = RunAndWait(&source, {"mon", "", R"({"prefix":"status"})", ""});
  EXPECT_EQ(result.retval, -ENOTCONN);
  EXPECT_THAT(result.err, HasSubstr("the cluster can't be reached: the monitors at"));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
  EXPECT_TRUE(source.Commands().empty());

  const absl::Time stop = absl::Now();
  source.Stop();
  EXPECT_LT(absl::Now() - stop, absl::Seconds(10));
  EXPECT_EQ(RunAndWait(&source, {"mon", "", R"({"prefix":"status"})", ""}).retval, -ESHUTDOWN);
  EXPECT_EQ(state.connection().reason, "the manager has left the cluster");
}

TEST(CephSourceUnreachableTest, NobodyListens) {
  const Port port(false);
  ExpectUnreachable(port.number());
}

TEST(CephSourceUnreachableTest, SomebodyListensAndSaysNothing) {
  const Port port(true);
  ExpectUnreachable(port.number());
}

TEST(CephSourceUnreachableTest, AMissingConfFileIsAnErrorOfStart) {
  ClusterState state;
  CephOptions options;
  options.conf_file = "/nonexistent/ceph.conf";
  PerfCounters counters;
  CephSource source(options, &state, &counters);
  const absl::Status status = source.Start();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"/nonexistent/ceph.conf\" can't be read (No such file"),
                    HasSubstr("name the ceph.conf")));
}

TEST(CephSourceUnreachableTest, AMissingKeyringIsAnErrorOfStart) {
  ClusterState state;
  PerfCounters counters;
  CephOptions options = OptionsFor(1);
  options.keyring = "/nonexistent/keyring";
  CephSource named(options, &state, &counters);
  const absl::Status status = named.Start();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"/nonexistent/keyring\""), HasSubstr("key of client.admin")));

  options.keyring.clear();
  options.name = "client.nobody-has-this";
  CephSource by_conf(options, &state, &counters);
  const absl::Status by_conf_status = by_conf.Start();
  EXPECT_TRUE(absl::IsNotFound(by_conf_status)) << by_conf_status;
  EXPECT_THAT(std::string(by_conf_status.message()), HasSubstr("client.nobody-has-this"));
}

TEST(CephSourceUnreachableTest, AMalformedSettingIsAnErrorOfStart) {
  ClusterState state;
  PerfCounters counters;
  CephOptions options = OptionsFor(1);
  options.conf_file = WriteFile("bad.conf", "this is = [ not\n[a conf file\n");
  CephSource bad_conf(options, &state, &counters);
  EXPECT_TRUE(absl::IsInvalidArgument(bad_conf.Start()));
  options = OptionsFor(1);
  options.name = "nonsense";
  CephSource bad_name(options, &state, &counters);
  const absl::Status status = bad_name.Start();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"nonsense\""));
}

TEST(CephSourceUnreachableTest, CommandsThatCannotBeSentSayWhy) {
  ClusterState state;
  PerfCounters counters;
  CephSource source(CephOptions(), &state, &counters);
  const auto expect = [&](ClusterCommand command, int retval, const std::string& words) {
    const command::Result result = RunAndWait(&source, std::move(command));
    EXPECT_EQ(result.retval, retval) << result.err;
    EXPECT_THAT(result.err, HasSubstr(words));
  };
  const std::string version = R"({"prefix":"version"})";
  expect({"mds", "a", version, ""}, -EOPNOTSUPP, "libcephfs");
  expect({"mgr", "x", version, ""}, -EOPNOTSUPP, "mgr.x");
  expect({"osd", "x", version, ""}, -EINVAL, "invalid osd id \"x\"");
  expect({"osd", "-1", version, ""}, -EINVAL, "invalid osd id \"-1\"");
  expect({"pg", "", version, ""}, -EINVAL, "1.0");
  expect({"rgw", "", version, ""}, -EINVAL, "unknown service type \"rgw\"");
  expect({"mon", "", "{", ""}, -EINVAL, "JSON object");
  expect({"mon", "", "{}", ""}, -EINVAL, "\"prefix\"");
  expect({"mon", "", version, ""}, -ENOTCONN, "has not started");
}

}  // namespace
}  // namespace outpost::cluster::ceph
