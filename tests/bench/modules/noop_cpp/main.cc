// The module noop_cpp: a command that does nothing, and one that reads, to be timed.
#include "outpost/main.h"

#include <grpcpp/create_channel.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "outpost/module.h"
#include "tests/bench/load.h"

namespace {

using outpost::Json;

class NoopModule : public outpost::Module {
 public:
  NoopModule() : Module({.name = "noop_cpp", .version = "0.1.0"}) {
    // Many of it may run at once, and no two modules have the same command.
    const char* other = std::getenv("NOOP_PREFIX");
    commands()
        .Add(other == nullptr ? "noop-cpp" : other)
        .Describe("Do nothing")
        .Perm("r")
        .Handle([] { return outpost::CommandResult::Ok(""); });
    if (other != nullptr) return;
    commands()
        .Add("reads-cpp")
        .Arg<std::string>("echo")
        .Describe("Time reads of the OSD map, and a bare server of the same bytes, at that socket")
        .Perm("rw")
        .Handle([this](const std::string& echo) { return Reads(echo); });
  }

 private:
  // {"unchanged_us": each, "first_us": after a change, "echo_us": a bare call in its place}
  outpost::CommandResult Reads(const std::string& socket) {
    constexpr int kReads = 100'000;
    constexpr int kChanges = 20;
    const auto echo =
        grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), [] {
          grpc::ChannelArguments arguments;
          arguments.SetMaxReceiveMessageSize(-1);
          return arguments;
        }());
    const outpost::bench::Call slice = {"/outpost.bench.Echo/Slice", outpost::bench::Always("")};
    const auto call_echo = [&] {
      return outpost::bench::RunBlocking(echo, slice, absl::Nanoseconds(1)).Quantile(0.5);
    };
    call_echo();  // connects
    std::vector<double> first;
    std::vector<double> echoes;
    for (int i = 0; i < kChanges; ++i) {
      // By turns, so that what has run before is the same for both: the processes and the caches
      // of the CPU are as a change leaves them, not as in a loop of the same call.
      for (const bool bare : {false, true}) {
        const auto changed =
            MonCommand({{"prefix", bare ? "osd unset" : "osd set"}, {"key", "noout"}});
        if (!changed.ok()) return outpost::CommandResult::Error(5, changed.status().ToString());
        if (bare) {
          echoes.push_back(call_echo());
          continue;
        }
        const absl::Time begin = absl::Now();
        const auto map = Get("osd_map");
        first.push_back(absl::ToDoubleMicroseconds(absl::Now() - begin));
        if (!map.ok()) return outpost::CommandResult::Error(5, map.status().ToString());
      }
    }
    const absl::Time begin = absl::Now();
    for (int i = 0; i < kReads; ++i) {
      if (!Get("osd_map").ok()) return outpost::CommandResult::Error(5, "Get fails");
    }
    const double unchanged = absl::ToDoubleMicroseconds(absl::Now() - begin) / kReads;
    return outpost::CommandResult::Ok(Json{
        {"unchanged_us", unchanged},
        {"first_us", Median(std::move(first))},
        {"echo_us",
         Median(std::move(echoes))}}.dump());
  }

  static double Median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }
};

}  // namespace

int main(int argc, char** argv) { return outpost::RunModule<NoopModule>(argc, argv); }
