// Runs a CephSource for ceph_source_test.py, which plays the cluster's operator:
//
//   ceph_source_probe CONF
//
// prints what happens, a JSON object a line:
//   {"event": "connection", "connected": …, "reason": …, "fsid": …}
//   {"event": "structure", "name": …, "id": …, "version": …}
//   {"event": "commands", "count": …}
// and answers each request on standard input, also JSON, with a line that repeats
// its "tag":
//   {"tag": …, "get": NAME}            → {"tag": …, "json": TEXT} or {"tag": …, "error": …}
//   {"tag": …, "commands": true}       → {"tag": …, "signatures": […]}
//   {"tag": …, "connection": true}     → {"tag": …, "connected": …, "reason": …}
//   {"tag": …, "run": {…}, "type": "mon", "id": "", "timeout_s": 5}
//                                      → {"tag": …, "retval": …, "out": …, "err": …}
// At the end of its input it stops the source and prints
//   {"event": "stopped", "seconds": …}
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"
#include "server/cluster/ceph/ceph_source.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/source.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {
namespace {

using nlohmann::json;

class Printer {
 public:
  void Print(const json& line) {
    const std::string text = line.dump(-1, ' ', false, json::error_handler_t::replace);
    absl::MutexLock lock(&mu_);
    std::puts(text.c_str());
    std::fflush(stdout);
  }

 private:
  absl::Mutex mu_;  // keeps lines whole
};

class Probe {
 public:
  explicit Probe(const std::string& conf) : source_(Options(conf), &state_, &counters_) {
    state_.AddListener([this](const SnapshotPtr& snapshot) {
      printer_.Print({{"event", "structure"},
                      {"name", snapshot->name},
                      {"id", snapshot->id},
                      {"version", snapshot->version}});
    });
    state_.AddConnectionListener([this](const Connection& connection) {
      printer_.Print({{"event", "connection"},
                      {"connected", connection.connected},
                      {"reason", connection.reason},
                      {"fsid", state_.cluster_id()}});
    });
    source_.OnCommandsChanged([this] {
      printer_.Print({{"event", "commands"}, {"count", source_.Commands().size()}});
    });
  }

  int Run() {
    if (const absl::Status status = source_.Start(); !status.ok()) {
      std::cerr << status << "\n";
      return 1;
    }
    std::string line;
    while (std::getline(std::cin, line)) Handle(json::parse(line));
    const absl::Time begin = absl::Now();
    source_.Stop();
    printer_.Print({{"event", "stopped"}, {"seconds", absl::ToDoubleSeconds(absl::Now() - begin)}});
    return 0;
  }

 private:
  static CephOptions Options(const std::string& conf) {
    CephOptions options;
    options.conf_file = conf;
    options.poll_interval = absl::Milliseconds(200);
    options.monitor_timeout = absl::Seconds(2);
    options.command_timeout = absl::Seconds(4);
    options.renew_after = absl::Seconds(3);
    return options;
  }

  void Handle(const json& request) {
    json answer = {{"tag", request.at("tag")}};
    if (request.contains("get")) {
      const absl::StatusOr<SnapshotPtr> snapshot = state_.Get(request.at("get").get<std::string>());
      if (snapshot.ok()) {
        answer["json"] = std::string((*snapshot)->json);
      } else {
        answer["error"] = std::string(snapshot.status().message());
      }
    } else if (request.contains("commands")) {
      for (const command::Declaration& c : source_.Commands()) {
        answer["signatures"].push_back(c.signature);
      }
    } else if (request.contains("connection")) {
      const Connection connection = state_.connection();
      answer["connected"] = connection.connected;
      answer["reason"] = connection.reason;
    } else {
      const absl::Time deadline =
          internal::SteadyNow() + absl::Seconds(request.value("timeout_s", 60.0));
      source_.RunCommand({request.value("type", "mon"), request.value("id", ""),
                          request.at("run").dump(), request.value("inbuf", ""), deadline},
                         [this, answer](const command::Result& result) mutable {
                           answer["retval"] = result.retval;
                           answer["out"] = result.out;
                           answer["err"] = result.err;
                           printer_.Print(answer);
                         });
      return;
    }
    printer_.Print(answer);
  }

  Printer printer_;
  ClusterState state_;
  PerfCounters counters_;
  CephSource source_;
};

}  // namespace
}  // namespace outpost::cluster::ceph

// librados leaves a connection that told one monitor something behind when it is
// shut down soon after; only builds with AddressSanitizer call this.
extern "C" const char* __lsan_default_suppressions();   // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "leak:libceph-common.so\nleak:librados.so\n";
}

// A malformed request throws, and so ends the probe: it is the test that is wrong.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: ceph_source_probe CONF\n";
    return 2;
  }
  return outpost::cluster::ceph::Probe(argv[1]).Run();
}
