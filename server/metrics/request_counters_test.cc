#include "server/metrics/request_counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "server/metrics/metrics_proto.h"

namespace outpost::metrics {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;
using testing::DoubleNear;
using testing::ElementsAre;

TEST(LatencyHistogram, PutsEachIntoTheBucketOfTheNextBound) {
  LatencyHistogram histogram;
  histogram.Add(microseconds(0));
  histogram.Add(microseconds(100));  // a bound is in its bucket
  histogram.Add(microseconds(101));
  histogram.Add(seconds(30));
  histogram.Add(seconds(31));
  const auto snapshot = histogram.snapshot();
  EXPECT_THAT(snapshot.counts, ElementsAre(2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1));
  EXPECT_EQ(snapshot.count(), 5u);
  EXPECT_THAT(snapshot.sum_seconds, DoubleNear(61.000201, 1e-9));
}

TEST(RequestCounters, CountsEachOnceUnderConcurrency) {
  RequestCounters counters;
  constexpr int kThreads = 4;
  constexpr int kRequests = 10'000;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < kRequests; ++j) {
        counters.Answered(j % 4 != 0, Clock::now());
        counters.Ended(j % 2 == 0 ? Unanswered::kLost : Unanswered::kRefused);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto snapshot = counters.snapshot();
  EXPECT_EQ(snapshot.succeeded, kThreads * kRequests * 3 / 4);
  EXPECT_EQ(snapshot.failed, kThreads * kRequests / 4);
  EXPECT_EQ(snapshot.lost, kThreads * kRequests / 2);
  EXPECT_EQ(snapshot.refused, kThreads * kRequests / 2);
  EXPECT_EQ(snapshot.latency.count(), kThreads * kRequests);
}

TEST(RequestCounters, IsOnTheWireWhatItIs) {
  RequestCounters counters;
  counters.Answered(true, Clock::now() - seconds(2));
  counters.Answered(false, Clock::now() - seconds(2));
  for (const auto how : {Unanswered::kTimedOut, Unanswered::kCancelled, Unanswered::kCancelled}) {
    counters.Ended(how);
  }
  const v1::RequestStats stats = ToProto(counters.snapshot());
  EXPECT_EQ(stats.succeeded(), 1u);
  EXPECT_EQ(stats.failed(), 1u);
  EXPECT_EQ(stats.timed_out(), 1u);
  EXPECT_EQ(stats.cancelled(), 2u);
  EXPECT_EQ(stats.lost(), 0u);
  EXPECT_EQ(stats.refused(), 0u);
  ASSERT_EQ(stats.latency().counts_size(), stats.latency().bounds_size() + 1);
  for (int i = 0; i < stats.latency().bounds_size(); ++i) {
    EXPECT_EQ(stats.latency().counts(i), stats.latency().bounds(i) == 5 ? 2u : 0u);
  }
  EXPECT_GE(stats.latency().sum_seconds(), 4);
}

}  // namespace
}  // namespace outpost::metrics
