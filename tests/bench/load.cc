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

[[noreturn]] void DieOf(const Call& call, const grpc::Status& status) {
  std::fprintf(stderr, "bench: %s failed: %s\n", call.method.c_str(),
               status.error_message().c_str());
  std::exit(1);
}

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
    if (!status.ok()) DieOf(*call_, status);
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

Timing Sorted(std::vector<double> seconds, uint64_t bytes, absl::Duration elapsed) {
  Timing timing;
  timing.seconds = std::move(seconds);
  std::sort(timing.seconds.begin(), timing.seconds.end());
  const double total = absl::ToDoubleSeconds(elapsed);
  timing.calls_per_second = static_cast<double>(timing.seconds.size()) / total;
  timing.bytes_per_second = static_cast<double>(bytes) / total;
  return timing;
}

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
  const absl::Duration elapsed = absl::Now() - begin;
  std::vector<double> seconds;
  uint64_t bytes = 0;
  for (const auto& loop : loops) {
    seconds.insert(seconds.end(), loop->seconds.begin(), loop->seconds.end());
    bytes += loop->bytes;
  }
  return Sorted(std::move(seconds), bytes, elapsed);
}

Timing RunBlocking(const std::shared_ptr<grpc::Channel>& channel, const Call& call,
                   absl::Duration time) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  std::vector<double> seconds;
  uint64_t bytes = 0;
  const absl::Time begin = absl::Now();
  const absl::Time end = begin + time;
  for (absl::Time now = begin; now < end;) {
    grpc::ClientContext context;
    const grpc::ByteBuffer request = call.request(seconds.size());
    grpc::ByteBuffer response;
    grpc::Status status;
    const int64_t start = absl::GetCurrentTimeNanos();
    auto reader = stub.PrepareUnaryCall(&context, call.method, request, &queue);
    reader->StartCall();
    reader->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    const int64_t done = absl::GetCurrentTimeNanos();
    if (!status.ok()) DieOf(call, status);
    seconds.push_back(static_cast<double>(done - start) * 1e-9);
    bytes += response.Length();
    now = absl::FromUnixNanos(done);
  }
  return Sorted(std::move(seconds), bytes, absl::Now() - begin);
}

std::function<grpc::ByteBuffer(uint64_t)> Always(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return [buffer = grpc::ByteBuffer(&slice, 1)](uint64_t) { return buffer; };
}

}  // namespace outpost::bench
