#include "tests/bench/load.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace outpost::bench {
namespace {

// One of the loops: the next call begins when the last has ended.
class Loop {
 public:
  Loop(grpc::GenericStub* stub, const Call* call, std::atomic<uint64_t>* counter, absl::Time end,
       std::function<void()> done)
      : stub_(stub), call_(call), counter_(counter), end_(end), done_(std::move(done)) {}

  void Next() {
    context_ = std::make_unique<grpc::ClientContext>();
    request_ = call_->request((*counter_)++);
    response_.Clear();
    start_ = absl::GetCurrentTimeNanos();
    stub_->UnaryCall(context_.get(), call_->method, grpc::StubOptions(), &request_, &response_,
                     [this](const grpc::Status& status) { Done(status); });
  }

  std::vector<double> seconds;
  uint64_t bytes = 0;

 private:
  void Done(const grpc::Status& status) {
    const int64_t now = absl::GetCurrentTimeNanos();
    if (!status.ok()) {
      std::fprintf(stderr, "bench: %s failed: %s\n", call_->method.c_str(),
                   status.error_message().c_str());
      std::exit(1);
    }
    seconds.push_back(static_cast<double>(now - start_) * 1e-9);
    bytes += response_.Length();
    if (absl::FromUnixNanos(now) < end_) {
      Next();
    } else {
      done_();
    }
  }

  grpc::GenericStub* const stub_;
  const Call* const call_;
  std::atomic<uint64_t>* const counter_;
  const absl::Time end_;
  const std::function<void()> done_;
  std::unique_ptr<grpc::ClientContext> context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  int64_t start_ = 0;
};

}  // namespace

double Timing::Quantile(double fraction) const {
  const size_t index = static_cast<size_t>(fraction * static_cast<double>(seconds.size()));
  return seconds[std::min(index, seconds.size() - 1)] * 1e6;
}

Timing Run(const std::shared_ptr<grpc::Channel>& channel, const Call& call, int in_flight,
           absl::Duration time) {
  grpc::GenericStub stub(channel);
  std::atomic<uint64_t> counter = 0;
  absl::Mutex mu;
  int running = in_flight;
  const absl::Time begin = absl::Now();
  std::vector<std::unique_ptr<Loop>> loops;
  loops.reserve(in_flight);
  for (int i = 0; i < in_flight; ++i) {
    loops.push_back(std::make_unique<Loop>(&stub, &call, &counter, begin + time, [&] {
      absl::MutexLock lock(&mu);
      --running;
    }));
  }
  for (auto& loop : loops) loop->Next();
  {
    absl::MutexLock lock(&mu);
    mu.Await(absl::Condition(
        +[](int* left) { return *left == 0; }, &running));
  }
  const double elapsed = absl::ToDoubleSeconds(absl::Now() - begin);
  Timing timing;
  uint64_t bytes = 0;
  for (const auto& loop : loops) {
    timing.seconds.insert(timing.seconds.end(), loop->seconds.begin(), loop->seconds.end());
    bytes += loop->bytes;
  }
  std::sort(timing.seconds.begin(), timing.seconds.end());
  timing.calls_per_second = static_cast<double>(timing.seconds.size()) / elapsed;
  timing.bytes_per_second = static_cast<double>(bytes) / elapsed;
  return timing;
}

std::function<grpc::ByteBuffer(uint64_t)> Always(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return [buffer = grpc::ByteBuffer(&slice, 1)](uint64_t) { return buffer; };
}

}  // namespace outpost::bench
