// Runs the program itself, as a shell would, against a manager that is played here.
#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/testing/fake_manager.h"
#include "cli/testing/process.h"
#include "outpost/v1/error_details.pb.h"

namespace outpost::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

std::string ReadFile(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

std::vector<std::string> CommandLine(std::vector<std::string> args) {
  args.insert(args.begin(), "cli/outpost");
  return args;
}

class OutpostTest : public testing::Test {
 protected:
  OutpostTest() {
    // Short: a socket's path has 107 characters at most.
    char name[] = "/tmp/outpost-cli-XXXXXX";
    directory_ = mkdtemp(name);
    address_ = "unix:" + directory_ + "/m.sock";
    setenv("OUTPOST_ADDRESS", address_.c_str(), 1);
    setenv("COLUMNS", "80", 1);
    setenv("LINES", "25", 1);
    manager_ = std::make_unique<FakeManager>(address_);
  }

  ~OutpostTest() override {
    manager_.reset();
    std::filesystem::remove_all(directory_);
  }

  static Outcome Outpost(const std::vector<std::string>& args, const std::string& input = "") {
    return Process(CommandLine(args), input).Wait();
  }

  std::string directory_;
  std::string address_;
  std::unique_ptr<FakeManager> manager_;
};

TEST_F(OutpostTest, WordsAndFormatReachTheManagerAndOutputComesBack) {
  manager_->OnRunAnswer(0, "O", "");
  const Outcome outcome = Outpost({"osd", "status", "--bucket", "host1", "-f", "json-pretty"});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.out, "O\n");
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(manager_->requests().size(), 1u);
  const v1::CommandsRunRequest request = manager_->requests()[0];
  EXPECT_THAT(request.words(), ElementsAre("osd", "status", "--bucket", "host1"));
  EXPECT_EQ(request.format(), "json-pretty");
  EXPECT_FALSE(request.has_inbuf());
}

TEST_F(OutpostTest, ANewlineIsAddedOnlyWhereItIsMissing) {
  manager_->OnRunAnswer(0, "two\nlines\n", "note");
  Outcome outcome = Outpost({"x"});
  EXPECT_EQ(outcome.out, "two\nlines\n");
  EXPECT_EQ(outcome.err, "note\n");
  manager_->OnRunAnswer(0, "", "");
  outcome = Outpost({"x"});
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(OutpostTest, ANegativeRetvalIsAnErrorWithItsName) {
  manager_->OnRunAnswer(-ENOENT, "partial", "there is no such pool\n");
  const Outcome outcome = Outpost({"x"});
  EXPECT_EQ(outcome.exit_status, ENOENT);
  EXPECT_EQ(outcome.out, "partial\n");
  EXPECT_EQ(outcome.err, "Error ENOENT: there is no such pool\n");
}

TEST_F(OutpostTest, WhereNoCommandFitsTheWordsAreCephs) {
  manager_->OnRun([](grpc::ServerContext*, const v1::CommandsRunRequest&,
                     v1::CommandsRunResponse* response) {
    response->mutable_result()->set_retval(-EINVAL);
    response->mutable_result()->set_stderr("Invalid command: 11 not in range [0, 10]\nx <n:int>\n");
    return grpc::Status::OK;
  });
  Outcome outcome = Outpost({"x", "11"});
  EXPECT_EQ(outcome.exit_status, EINVAL);
  EXPECT_EQ(outcome.err,
            "Invalid command: 11 not in range [0, 10]\nx <n:int>\nError EINVAL: invalid command\n");
  // A command that ran and says EINVAL speaks for itself.
  manager_->OnRunAnswer(-EINVAL, "", "no");
  EXPECT_EQ(Outpost({"x"}).err, "Error EINVAL: no\n");
}

TEST_F(OutpostTest, AShellRunsALineEach) {
  manager_->OnRunAnswer(0, "O", "");
  Outcome outcome = Outpost({"shell"}, "a 'b c' -f json\n\n# no\nd");
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.out, "O\nO\n");
  const std::vector<v1::CommandsRunRequest> requests = manager_->requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0].words(), ElementsAre("a", "b c"));
  EXPECT_EQ(requests[0].format(), "json");
  EXPECT_THAT(requests[1].words(), ElementsAre("d"));
  EXPECT_EQ(requests[1].format(), "");
}

TEST_F(OutpostTest, ASignalEndsAShellThatReadsAPipe) {
  manager_->OnRun(
      [](grpc::ServerContext* context, const v1::CommandsRunRequest&, v1::CommandsRunResponse*) {
        FakeManager::AwaitCancelled(context);
        return grpc::Status::CANCELLED;
      });
  Process process(CommandLine({"shell"}), "slow\nslow\n");
  EXPECT_TRUE(manager_->WaitForRequests(1));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait().exit_status, 128 + SIGINT);
  EXPECT_EQ(manager_->requests().size(), 1u);
}

TEST_F(OutpostTest, OddRetvalsHaveAUsableExitStatus) {
  manager_->OnRunAnswer(-EIO, "", "");
  Outcome outcome = Outpost({"x"});
  EXPECT_EQ(outcome.exit_status, EIO);
  EXPECT_EQ(outcome.err, "Error EIO: Input/output error\n");
  manager_->OnRunAnswer(-2147483647 - 1, "", "far");
  outcome = Outpost({"x"});
  EXPECT_EQ(outcome.exit_status, 255);
  EXPECT_EQ(outcome.err, "Error 2147483647: far\n");
  manager_->OnRunAnswer(12345, "out", "err");
  outcome = Outpost({"x"});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.out, "out\n");
  EXPECT_EQ(outcome.err, "err\n");
}

TEST_F(OutpostTest, BinaryOutputIsWrittenAsItIs) {
  const std::string bytes("\xff\x00\xfe", 3);
  manager_->OnRun([&bytes](grpc::ServerContext*, const v1::CommandsRunRequest&,
                           v1::CommandsRunResponse* response) {
    response->mutable_result()->set_stdout_bytes(bytes);
    return grpc::Status::OK;
  });
  const std::string file = directory_ + "/out";
  const Outcome outcome = Outpost({"x", "-o", file});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(ReadFile(file), bytes);
  EXPECT_EQ(Outpost({"x"}).out, bytes);
}

TEST_F(OutpostTest, InFileReachesTheCommandAsBytes) {
  manager_->OnRunAnswer(0, "", "");
  const std::string bytes("a\x00\xff\n", 4);
  const std::string file = directory_ + "/in";
  std::ofstream(file, std::ios::binary) << bytes;
  EXPECT_EQ(Outpost({"x", "-i", file}).exit_status, 0);
  EXPECT_EQ(Outpost({"x", "-i", "-"}, bytes).exit_status, 0);
  EXPECT_EQ(Outpost({"x", "-i", "/dev/null"}).exit_status, 0);
  const std::vector<v1::CommandsRunRequest> requests = manager_->requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].inbuf(), bytes);
  EXPECT_EQ(requests[1].inbuf(), bytes);
  EXPECT_EQ(requests[2].inbuf(), "");
  for (const v1::CommandsRunRequest& request : requests) EXPECT_TRUE(request.has_inbuf());
}

TEST_F(OutpostTest, FilesThatCannotBeUsedStopTheCommandBeforeItRuns) {
  manager_->OnRunAnswer(0, "", "");
  Outcome outcome = Outpost({"x", "-i", "/nonexistent"});
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_EQ(outcome.err,
            "Can't open input file /nonexistent: [Errno 2] No such file or directory\n");

  outcome = Outpost({"x", "-i", directory_});
  EXPECT_EQ(outcome.exit_status, EISDIR);

  const std::string large = directory_ + "/large";
  std::ofstream(large).put('x');
  ASSERT_EQ(truncate(large.c_str(), (64 << 20) + 1), 0);
  outcome = Outpost({"x", "-i", large});
  EXPECT_EQ(outcome.exit_status, EFBIG);
  EXPECT_EQ(outcome.err, "Error EFBIG: input file " + large + " is larger than 64 MiB\n");

  outcome = Outpost({"x", "-o", "/nonexistent/out"});
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_EQ(outcome.err,
            "Can't open output file /nonexistent/out: [Errno 2] No such file or directory\n");
  EXPECT_THAT(manager_->requests(), IsEmpty());
}

TEST_F(OutpostTest, AFullDiskIsAnError) {
  manager_->OnRunAnswer(0, "O", "");
  const Outcome outcome = Outpost({"x", "-o", "/dev/full"});
  EXPECT_EQ(outcome.exit_status, ENOSPC);
  EXPECT_EQ(outcome.err, "Error ENOSPC: can't write to /dev/full: No space left on device\n");
}

TEST_F(OutpostTest, ACommandThatAsksToBePolledRunsUntilInterrupted) {
  manager_->OnRunAnswer(0, "row", "", /*poll=*/true);
  Process process(CommandLine({"iostat", "-p", "0.01"}));
  EXPECT_TRUE(process.WaitForLines(3));
  process.Signal(SIGINT);
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, StartsWith("row\nrow\nrow\n"));
}

TEST_F(OutpostTest, PeriodZeroRunsAPollingCommandOnce) {
  manager_->OnRunAnswer(0, "row", "", /*poll=*/true);
  const Outcome outcome = Outpost({"iostat", "-p", "0"});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.out, "row\n");
  EXPECT_EQ(manager_->requests().size(), 1u);
}

TEST_F(OutpostTest, APollingCommandThatDeclaresThemIsToldWidthAndHeader) {
  setenv("COLUMNS", "100", 1);
  setenv("LINES", "5", 1);
  manager_->AddCommand("iostat",
                       "iostat name=width,type=CephInt,req=false "
                       "name=print_header,type=CephBool,req=false",
                       "iostat [<width:int>] [--print_header]");
  manager_->OnRunAnswer(0, "row", "", /*poll=*/true);
  Process process(CommandLine({"iostat", "-p", "0.01"}));
  EXPECT_TRUE(process.WaitForLines(3));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait().exit_status, 0);
  const std::vector<v1::CommandsRunRequest> requests = manager_->requests();
  ASSERT_GE(requests.size(), 4u);
  EXPECT_THAT(requests[0].words(), ElementsAre("iostat"));
  EXPECT_THAT(requests[1].words(), ElementsAre("iostat", "--width=100", "--print_header"));
  EXPECT_THAT(requests[2].words(), ElementsAre("iostat", "--width=100"));
  EXPECT_THAT(requests[3].words(), ElementsAre("iostat", "--width=100", "--print_header"));
}

TEST_F(OutpostTest, PollingEndsWithTheCommandsError) {
  int runs = 0;
  manager_->OnRun([&runs](grpc::ServerContext*, const v1::CommandsRunRequest&,
                          v1::CommandsRunResponse* response) {
    response->set_poll(true);
    if (++runs == 3) {
      response->mutable_result()->set_retval(-EAGAIN);
      response->mutable_result()->set_stderr("module iostat is starting again");
    }
    return grpc::Status::OK;
  });
  const Outcome outcome = Outpost({"iostat", "-p", "0.001"});
  EXPECT_EQ(outcome.exit_status, EAGAIN);
  EXPECT_EQ(outcome.err, "Error EAGAIN: module iostat is starting again\n");
}

TEST_F(OutpostTest, PollingEndsQuietlyWhenNobodyReads) {
  manager_->OnRunAnswer(0, "row", "", /*poll=*/true);
  Process process(CommandLine({"iostat", "-p", "0.01"}));
  EXPECT_TRUE(process.WaitForLines(1));
  process.CloseStandardOutput();
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_status, 128 + SIGPIPE);
  EXPECT_EQ(outcome.err, "");
}

TEST_F(OutpostTest, AnInterruptCancelsTheCommand) {
  std::atomic<int> cancellations = 0;
  manager_->OnRun([&cancellations](grpc::ServerContext* context, const v1::CommandsRunRequest&,
                                   v1::CommandsRunResponse*) {
    FakeManager::AwaitCancelled(context);
    cancellations += context->IsCancelled() ? 1 : 0;
    return grpc::Status::CANCELLED;
  });
  for (const auto& [signal, exit_status] : {std::pair(SIGINT, 130), std::pair(SIGTERM, 143)}) {
    const size_t before = manager_->requests().size();
    Process process(CommandLine({"slow"}));
    EXPECT_TRUE(manager_->WaitForRequests(before + 1));
    process.Signal(signal);
    const Outcome outcome = process.Wait();
    EXPECT_EQ(outcome.exit_status, exit_status);
    EXPECT_EQ(outcome.err, "");
    EXPECT_TRUE(manager_->WaitForIdle()) << "the command was not cancelled";
  }
  EXPECT_EQ(cancellations, 2);
}

TEST_F(OutpostTest, TimeoutEndsTheCommand) {
  manager_->OnRun(
      [](grpc::ServerContext* context, const v1::CommandsRunRequest&, v1::CommandsRunResponse*) {
        FakeManager::AwaitCancelled(context);
        return grpc::Status::CANCELLED;
      });
  const Outcome outcome = Outpost({"slow", "--timeout", "0.2"});
  EXPECT_EQ(outcome.exit_status, ETIMEDOUT);
  EXPECT_EQ(outcome.err, "Error ETIMEDOUT: no answer from the manager at " + address_ +
                             " within 200ms (--timeout)\n");
}

TEST_F(OutpostTest, NoManagerIsSaidAtOnce) {
  manager_.reset();
  const Outcome outcome = Outpost({"status"});
  EXPECT_EQ(outcome.exit_status, ECONNREFUSED);
  EXPECT_THAT(outcome.err, MatchesRegex("Error: no manager answers at " + address_ +
                                        ": (No such file or directory|Connection refused); is "
                                        "outpostd running\\? .*\n"));
}

TEST_F(OutpostTest, AListenerThatSaysNothingIsGivenUpAfterConnectTimeout) {
  manager_.reset();
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  const std::string path = directory_ + "/mute.sock";
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  const absl::Time start = absl::Now();
  const Outcome outcome = Outpost({"-a", "unix:" + path, "--connect-timeout", "0.3", "status"});
  EXPECT_LT(absl::Now() - start, absl::Seconds(20)) << "not the deadline of a command";
  EXPECT_EQ(outcome.exit_status, ECONNREFUSED);
  EXPECT_THAT(outcome.err, StartsWith("Error: no manager answers at unix:" + path));
  close(listener);
}

TEST_F(OutpostTest, AManagerThatGoesAwayMeanwhileIsNotTakenForNone) {
  manager_->OnRun(
      [](grpc::ServerContext* context, const v1::CommandsRunRequest&, v1::CommandsRunResponse*) {
        FakeManager::AwaitCancelled(context);
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "never seen");
      });
  Process process(CommandLine({"slow"}));
  EXPECT_TRUE(manager_->WaitForRequests(1));
  manager_->Stop();
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_status, ECONNRESET);
  EXPECT_THAT(outcome.err, HasSubstr("was lost"));
}

TEST_F(OutpostTest, TheManagersOwnErrorsKeepTheirErrno) {
  manager_->OnRun(
      [](grpc::ServerContext*, const v1::CommandsRunRequest&, v1::CommandsRunResponse*) {
        v1::ErrorInfo info;
        info.set_domain("outpost");
        (*info.mutable_metadata())["errno"] = absl::StrCat(ENOSPC);
        v1::RpcStatus details;
        google::protobuf::Any* any = details.add_details();
        any->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
        info.SerializeToString(any->mutable_value());
        return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the store is full",
                            details.SerializeAsString());
      });
  Outcome outcome = Outpost({"x"});
  EXPECT_EQ(outcome.exit_status, ENOSPC);
  EXPECT_EQ(outcome.err, "Error ENOSPC: the store is full\n");

  manager_->OnRun(
      [](grpc::ServerContext*, const v1::CommandsRunRequest&, v1::CommandsRunResponse*) {
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "manager x is a standby");
      });
  outcome = Outpost({"x"});
  EXPECT_EQ(outcome.exit_status, EAGAIN);
  EXPECT_EQ(outcome.err, "Error EAGAIN: manager x is a standby\n");

  manager_->OnRun(
      [](grpc::ServerContext*, const v1::CommandsRunRequest&, v1::CommandsRunResponse*) {
        return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "you may not");
      });
  outcome = Outpost({"x"});
  EXPECT_EQ(outcome.exit_status, EACCES);
}

TEST_F(OutpostTest, BadGlobalFlagsAndNoWordsExitWithEinval) {
  Outcome outcome = Outpost({"x", "--format", "jsn"});
  EXPECT_EQ(outcome.exit_status, EINVAL);
  EXPECT_EQ(outcome.err,
            "Error EINVAL: --format: \"jsn\" is not one of plain, json, json-compact, json-pretty, "
            "yaml, xml, xml-pretty\n");
  outcome = Outpost({});
  EXPECT_EQ(outcome.exit_status, EINVAL);
  EXPECT_THAT(outcome.err, StartsWith("usage: outpost"));
  outcome = Outpost({"-a", "unix:/" + std::string(200, 'a'), "x"});
  EXPECT_EQ(outcome.exit_status, EINVAL);
  EXPECT_THAT(outcome.err, HasSubstr("at most 107 characters, this one 201"));
}

TEST_F(OutpostTest, HelpListsTheCommandsThatBeginWithTheWords) {
  manager_->AddCommand("osd df", "osd df", "osd df");
  manager_->AddCommand("osd status", "osd status name=bucket,type=CephString,req=false",
                       "osd status [<bucket>]");
  manager_->AddCommand("status", "status", "status");
  Outcome outcome = Outpost({"osd", "--help"});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.out,
            "osd df                                  what it does\n"
            "osd status [<bucket>]                   what it does\n");
  outcome = Outpost({"--help"});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(outcome.out, StartsWith("usage: outpost"));
  EXPECT_THAT(outcome.out, HasSubstr("\nnotify [<types>...] [-f] "));
  EXPECT_THAT(outcome.out, HasSubstr("\nosd status [<bucket>] "));
  outcome = Outpost({"nosuch", "--help"});
  EXPECT_EQ(outcome.exit_status, ENOENT);
  EXPECT_THAT(outcome.err, HasSubstr("no command begins with \"nosuch\""));
  EXPECT_THAT(manager_->requests(), IsEmpty());
}

TEST_F(OutpostTest, HelpIsThereWithoutAManager) {
  manager_.reset();
  Outcome outcome = Outpost({"--help"});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(outcome.out, StartsWith("usage: outpost"));
  EXPECT_THAT(outcome.err, HasSubstr("no manager answers"));
  EXPECT_EQ(Outpost({"osd", "--help"}).exit_status, ECONNREFUSED);
}

TEST_F(OutpostTest, NotifyPrintsALineForEachNotification) {
  v1::Notification state;
  state.set_type("osd_map");
  state.set_id("42");
  state.set_sequence(1);
  state.set_version(7);
  state.mutable_time()->set_seconds(1'700'000'000);
  state.mutable_time()->set_nanos(5'000'000);
  v1::Notification event = state;
  event.set_type("clog");
  event.clear_id();
  event.set_sequence(2);
  event.set_version(0);
  event.set_missed(3);
  event.set_payload_json(R"({"text": "hi"})");
  manager_->SetNotifications({state, event});

  Process plain(CommandLine({"notify", "osd_map", "clog", "-f"}));
  EXPECT_TRUE(plain.WaitForLines(2));
  EXPECT_THAT(manager_->subscribed_types(), ElementsAre("osd_map", "clog"));
  plain.Signal(SIGINT);
  Outcome outcome = plain.Wait();
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.out,
            "2023-11-14T22:13:20.005Z osd_map 42 7\n"
            "2023-11-14T22:13:20.005Z clog - {\"text\": \"hi\"} (3 missed)\n");

  Process json(CommandLine({"notify", "-f", "json"}));
  EXPECT_TRUE(json.WaitForLines(2));
  json.Signal(SIGINT);
  outcome = json.Wait();
  std::istringstream lines(outcome.out);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(nlohmann::json::parse(line, nullptr, false)["version"], 7);
  std::getline(lines, line);
  EXPECT_EQ(nlohmann::json::parse(line, nullptr, false)["payload"]["text"], "hi");

  EXPECT_EQ(Outpost({"notify", "-f", "xml"}).exit_status, EINVAL);
  EXPECT_EQ(Outpost({"notify", "--acks"}).exit_status, EINVAL);
}

TEST_F(OutpostTest, NotifySaysWhenTheManagerGoesAway) {
  v1::Notification notification;
  notification.set_type("osd_map");
  manager_->SetNotifications({notification});
  Process process(CommandLine({"notify"}));
  EXPECT_TRUE(process.WaitForLines(1));
  manager_->Stop();
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_status, ECONNRESET);
}

}  // namespace
}  // namespace outpost::cli
