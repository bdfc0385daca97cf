// Load: closed loops of unary calls on one channel, timed.
//
// **Thread safety.** None.
#ifndef OUTPOST_TESTS_BENCH_LOAD_H_
#define OUTPOST_TESTS_BENCH_LOAD_H_

#include <grpcpp/channel.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace outpost::bench {

// A method and the bytes to call it with; `request` may give others each time.
struct Call {
  std::string method;                                 // "/outpost.v1.Commands/Run"
  std::function<grpc::ByteBuffer(uint64_t)> request;  // of the n-th call
};

// What a run of calls took.
struct Timing {
  std::vector<double> seconds;  // of each call, sorted
  double calls_per_second = 0;
  double bytes_per_second = 0;  // of answers

  // The `fraction` quantile in microseconds.
  double Quantile(double fraction) const;
};

// Calls, `in_flight` at a time, for `time`. Aborts with words on the first call
// that fails: a failed call has no time.
Timing Run(const std::shared_ptr<grpc::Channel>& channel, const Call& call, int in_flight,
           absl::Duration time);

// One call after the other, each waited for by the calling thread: as a command
// line does.
Timing RunBlocking(const std::shared_ptr<grpc::Channel>& channel, const Call& call,
                   absl::Duration time);

// The bytes of `text` as a request of every call.
std::function<grpc::ByteBuffer(uint64_t)> Always(const std::string& bytes);

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_LOAD_H_
