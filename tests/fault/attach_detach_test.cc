// Modules that attach and detach again, ten thousand times: nothing of them stays in the manager.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/v1/module_host.grpc.pb.h"
#include "server/metrics/process_usage.h"
#include "tests/bench/attached_session.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

constexpr int kThreads = 4;
constexpr int kTimes = 10'000;
constexpr int kWarmUp = 2'000;
constexpr int kOfAConnection = 50;  // sessions, one after the other
constexpr uint64_t kGrowth = uint64_t{12} << 20;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // what was freed is kept for a while
#else
constexpr bool kSanitized = false;
#endif

// A module of a number attaches, is configured and serves, and goes, each time in another way.
void AttachAndDetach(v1::ModuleHost::Stub* stub, int number) {
  v1::Register registration = Registration(absl::StrCat("m", number % 400));
  for (int n = 0; n < 5; ++n) {
    registration.add_commands()->set_signature(
        absl::StrCat(registration.name(), " ", n, " name=what,type=CephString"));
  }
  AttachedSession session(stub, std::move(registration));
  ASSERT_FALSE(session.AwaitKey().empty()) << number;
  if (number % 3 != 0) {
    ASSERT_TRUE(session.AwaitServe()) << number;
  }
  session.End(number % 2 == 0 ? AttachedSession::How::kHalfClose : AttachedSession::How::kCancel);
}

TEST(AttachDetachTest, NothingStaysOfTenThousandSessions) {
  const std::string directory =
      absl::StrCat("/tmp/outpost-attach-", getpid());  // a socket's path is short
  std::filesystem::create_directory(directory);
  {
    Manager manager(std::filesystem::current_path(), directory, directory + "/data",
                    {"--module-path", "/nowhere", "--log-level", "warning",
                     "--registrations-per-second", "1000"});
    std::atomic<int> next = 0;
    const auto run = [&](int up_to) {
      std::vector<std::thread> threads;
      threads.reserve(kThreads);
      for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&] {
          std::shared_ptr<grpc::Channel> channel;
          std::unique_ptr<v1::ModuleHost::Stub> stub;
          for (int times = 0; !testing::Test::HasFatalFailure(); ++times) {
            const int number = next++;
            if (number >= up_to) break;
            if (times % kOfAConnection == 0) {
              stub.reset();
              channel = Connect(manager.socket(), number + 1);
              stub = v1::ModuleHost::NewStub(channel);
            }
            AttachAndDetach(stub.get(), number);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      next = up_to;
    };
    run(kWarmUp);
    const auto before = metrics::ReadProcessUsage(manager.pid());
    const absl::Time begin = absl::Now();
    run(kWarmUp + kTimes);
    const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
    // The connections are closed when the manager has heard of it.
    auto after = metrics::ReadProcessUsage(manager.pid());
    ASSERT_TRUE(before && after);
    for (int i = 0; i < 500 && after->open_files > before->open_files + kThreads; ++i) {
      absl::SleepFor(absl::Milliseconds(10));
      after = metrics::ReadProcessUsage(manager.pid());
    }
    std::printf("%d sessions in %.1f s; resident %llu KiB, then %llu KiB; %u files, then %u\n",
                kTimes, seconds, static_cast<unsigned long long>(before->rss_bytes >> 10),
                static_cast<unsigned long long>(after->rss_bytes >> 10), before->open_files,
                after->open_files);
    EXPECT_LE(after->open_files, before->open_files + kThreads);
    EXPECT_LE(after->threads, before->threads + 2);
    if (!kSanitized) {
      EXPECT_LE(after->rss_bytes, before->rss_bytes + kGrowth);
    }
    EXPECT_EQ(manager.End(), 0) << "with a sanitizer: it has lost memory";
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace outpost::bench
