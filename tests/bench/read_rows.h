// Rows of what modules read of the cluster, and of who is told of its changes.
//
// **Thread safety.** Functions for one thread.
#ifndef OUTPOST_TESTS_BENCH_READ_ROWS_H_
#define OUTPOST_TESTS_BENCH_READ_ROWS_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "tests/bench/rows.h"

namespace outpost::bench {

// A bare server, where it listens and a channel to it.
struct EchoServer {
  std::string socket;
  std::shared_ptr<grpc::Channel> channel;
};

// Reads of the OSD map of a manager with `osds` OSDs, by its modules noop_cpp and
// noop_py; `echo_of` gives a bare server whose Slice has that many bytes.
std::vector<Row> ReadRows(const std::shared_ptr<grpc::Channel>& manager, int osds, int rounds,
                          absl::Duration time,
                          const std::function<EchoServer(size_t bytes)>& echo_of);

// 1,000 subscribers, of which one never reads, and 100 changes a second. `pid` is the
// manager's, `connect` gives a channel of its own to it.
std::vector<Row> FanoutRows(const std::function<std::shared_ptr<grpc::Channel>()>& connect,
                            pid_t pid, absl::Duration time);

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_READ_ROWS_H_
