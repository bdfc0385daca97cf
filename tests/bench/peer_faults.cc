#include "tests/bench/peer_faults.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "outpost/v1/manager.grpc.pb.h"
#include "tests/bench/attached_session.h"
#include "tests/bench/fault.h"
#include "tests/bench/namespaces.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kAlice = 54321;  // the user id of somebody who may read
constexpr unsigned kEve = 54322;    // and of somebody who may do nothing
constexpr char kHere[] = "127.0.0.1";

std::string ContentOf(const std::string& path) {
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

// A call over a connection of its own, the `number`-th.
grpc::StatusCode CallByTls(const std::string& address, const std::string& tls, int number) {
  grpc::ChannelArguments arguments;
  arguments.SetInt("outpost.connection", number);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  const auto channel = grpc::CreateCustomChannel(
      address,
      grpc::SslCredentials(
          {ContentOf(tls + "/ca.crt"), ContentOf(tls + "/tls.key"), ContentOf(tls + "/tls.crt")}),
      arguments);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
  v1::GetStatusResponse response;
  return v1::Manager::NewStub(channel)->GetStatus(&context, {}, &response).error_code();
}

// Whether what it does has been refused.
bool Register(v1::ModuleHost::Stub* stub, const std::string& what, int number) {
  std::string name = "flood";
  if (what == "names") {
    name = "noop_cpp";
  } else if (number % 2 != 0) {
    name = absl::StrCat("flood-", number);
  }
  v1::Register registration = Registration(name);
  if (what == "tokens") registration.set_token("of another");
  for (int n = 0; n < 20; ++n) {
    registration.add_commands()->set_signature(absl::StrCat(registration.name(), " ", n));
  }
  AttachedSession session(stub, std::move(registration));
  const bool refused = session.AwaitKey().empty();
  session.End();
  return refused;
}

bool DisablesNothing(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  v1::CommandsRunRequest request;
  for (const char* word : {"module", "disable", "noop_cpp"}) request.add_words(word);
  v1::CommandsRunResponse response;
  const auto status = v1::Commands::NewStub(channel)->Run(&context, request, &response);
  return status.error_code() == grpc::StatusCode::PERMISSION_DENIED ||
         status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
         response.result().retval() == -EACCES;
}

bool ListModules(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  context.AddMetadata("outpost-session", "of nobody");
  v1::ListModulesResponse response;
  return !v1::Manager::NewStub(channel)->ListModules(&context, {}, &response).ok();
}

}  // namespace

void Do(const Flood& flood) {
  Times times(flood.times);
  if (flood.user != 0 && (setgid(flood.user) != 0 || setuid(flood.user) != 0)) {
    Die(absl::StrCat("this can't run as user ", flood.user));
  }
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::ModuleHost::Stub> stub;
  if (flood.what != "tls") {
    channel = Connect(flood.address);
    stub = v1::ModuleHost::NewStub(channel);
  }
  for (int i = 0;; ++i) {
    bool done = false;
    if (flood.what == "tls") {
      done = CallByTls(flood.address, flood.tls, i) == flood.expected;
    } else if (flood.what == "sessions") {
      done = ListModules(channel);
    } else if (flood.what == "rights") {
      done = DisablesNothing(channel);
    } else {
      // Who floods under names of their own is let in now and then.
      done = Register(stub.get(), flood.what, i) || flood.what == "registrations";
    }
    if (!done) Die(absl::StrCat("the manager lets in a flood of ", flood.what));
    times.Add();
  }
}

std::vector<std::string> FlagsForUsers() {
  return {"--local-user", absl::StrCat(kAlice, "=alice"), "--local-user",
          absl::StrCat(kEve, "=eve")};
}

void MakeCertificates(const std::string& directory) {
  const auto cert = [&](const std::string& authority, std::vector<std::string> words) {
    std::vector<std::string> argv = {(fs::current_path() / "cli/outpost").string(), "cert"};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.insert(argv.end(), {"--ca", absl::StrCat(directory, "/", authority)});
    MustRun(argv);
  };
  const auto issue = [&](const std::string& authority, const std::string& name,
                         const std::string& out, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"issue", name, "--out", absl::StrCat(directory, "/", out)});
    cert(authority, std::move(more));
  };
  cert("authority", {"init"});
  cert("another", {"init"});
  issue("authority", "user/alice", "expired", {"--valid", "1s"});
  issue("authority", "manager/x", "manager",
        {"--host", kHere, "--host", OtherHost::kHere, "--host", "localhost"});
  issue("authority", "user/alice", "good");
  issue("authority", "user/mallory", "wrong");
  issue("authority", "module/remote", "remote");
  issue("another", "user/alice", "another-authority");
  // It knows the manager; it is the manager that does not know it.
  fs::copy_file(directory + "/authority/ca.crt", directory + "/another-authority/ca.crt",
                fs::copy_options::overwrite_existing);
}

std::vector<Fault> PeerFaults(const Scene& scene) {
  // What another process does.
  const auto by_another = [&scene](const std::string& name, const std::string& held, Flood flood) {
    struct State {
      explicit State(const std::string& file) : times(file) {}
      Times times;
      std::unique_ptr<Child> flooder;
    };
    if (flood.address.empty()) flood.address = scene.socket;
    flood.times = absl::StrCat(scene.directory, "/times-", flood.what, flood.user,
                               fs::path(flood.tls).filename().string());
    const auto state = std::make_shared<State>(flood.times);
    const std::vector<std::string> argv = {fs::read_symlink("/proc/self/exe").string(),
                                           "--flood",
                                           flood.what,
                                           "--address",
                                           flood.address,
                                           "--times",
                                           flood.times,
                                           "--tls",
                                           flood.tls,
                                           "--expected",
                                           absl::StrCat(flood.expected),
                                           "--user",
                                           absl::StrCat(flood.user)};
    return Fault{.name = name,
                 .held = held,
                 .begin =
                     [state, argv, &scene] {
                       const uint64_t before = state->times.Get();
                       state->flooder =
                           std::make_unique<Child>(argv, scene.directory + "/flood.log");
                       // It has started when it has done it once.
                       const absl::Time deadline = absl::Now() + absl::Seconds(10);
                       while (state->times.Get() == before && absl::Now() < deadline) {
                         absl::SleepFor(absl::Milliseconds(1));
                       }
                     },
                 .end = [state] { state->flooder.reset(); },
                 .times = [state] { return state->times.Get(); }};
  };
  std::vector<Fault> all = {
      by_another("floods the manager with registrations", "--registrations-per-second",
                 {.what = "registrations"}),
      by_another("lies about its name: attaches as one that is there", "--registrations-per-second",
                 {.what = "names"}),
      by_another("attaches with a token that is not its own", "a refusal that comes after a second",
                 {.what = "tokens"}),
      by_another("calls with the key of no session",
                 "a refusal counts as fifty calls, of 5,000 a second", {.what = "sessions"})};
  if (geteuid() == 0) {
    all.push_back(by_another("has rights, and not those to what it calls",
                             "a refusal counts as fifty calls, of 5,000 a second",
                             {.what = "rights", .user = kAlice}));
    all.push_back(by_another("calls, and has no rights at all",
                             "a refusal counts as fifty calls, of 5,000 a second",
                             {.what = "rights", .user = kEve}));
  }
  if (!scene.apart) return all;
  const std::string tls = scene.directory + "/tls";
  const std::string address = absl::StrCat(kHere, ":", kTlsPort);
  const struct {
    const char* name;
    const char* held;
    const char* certificate;
    int expected;
  } kinds[] = {{"connects with a certificate of nobody who is known", "no caps: a refusal", "wrong",
                grpc::UNAUTHENTICATED},
               {"connects with a certificate of another authority", "no handshake",
                "another-authority", grpc::UNAVAILABLE},
               {"connects with a certificate that has expired", "no handshake", "expired",
                grpc::UNAVAILABLE}};
  for (const auto& kind : kinds) {
    Fault fault = by_another(kind.name, kind.held,
                             {.what = "tls",
                              .address = address,
                              .tls = absl::StrCat(tls, "/", kind.certificate),
                              .expected = kind.expected});
    fault.before = [address, tls] {
      if (CallByTls(address, tls + "/good", 0) != grpc::OK) Die("a good certificate is refused");
      // It has, soon.
      const absl::Time deadline = absl::Now() + absl::Seconds(10);
      while (CallByTls(address, tls + "/expired", 0) == grpc::OK && absl::Now() < deadline) {
        absl::SleepFor(absl::Milliseconds(10));
      }
    };
    all.push_back(std::move(fault));
  }
  return all;
}

}  // namespace outpost::bench
