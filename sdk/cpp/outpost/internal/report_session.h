// ReportSession carries what a daemon says to the manager, and to the next one when that
// goes: one stream of Ingest.Report after the other.
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.**
// 1. One thread writes; each stream has one more that reads.
// 2. At most IngestLimits.max_unacknowledged messages are without an answer, and never more
//    than kMaxUnderWay, whatever the manager allows.
// 3. Nothing is made before it can be sent: a manager that reads nothing costs one message.
// 4. No wall clock decides when something is sent, or how long is waited.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REPORT_SESSION_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REPORT_SESSION_H_

#include <grpcpp/client_context.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/report_content.h"
#include "outpost/internal/steady_wait.h"
#include "outpost/reporter.h"
#include "outpost/v1/ingest.grpc.pb.h"

namespace outpost::internal {

class ReportSession {
 public:
  explicit ReportSession(ReporterOptions options);
  ~ReportSession();

  // Changes what there is to say, and wakes the thread that says it.
  template <typename F>
  auto Change(F change) {
    absl::MutexLock lock(&mu_);
    changed_.SignalAll();
    return change(content_);
  }

  void Start();
  bool connected() const;
  absl::Status status() const;
  absl::Status Flush(absl::Duration timeout);
  void Close(absl::string_view reason, bool restarting);

 private:
  static constexpr size_t kMaxUnderWay = 64;

  using Call = grpc::ClientReaderWriter<v1::ReportRequest, v1::ReportResponse>;
  // Of the stream that is open; the rest of a stream is on the thread's stack.
  struct Stream {
    grpc::ClientContext context;
    bool welcomed = false;
    bool ended = false;     // nothing more can be read
    bool flushing = false;  // counters go now
    uint64_t sent = 0;
    std::map<uint64_t, ReportContent::About> in_flight;  // by sequence
    absl::Duration interval = absl::Seconds(5);
    absl::Duration lease = absl::Seconds(15);
    size_t window = 1;
    // By SteadyNow:
    absl::Time next_counters = absl::InfinitePast();
    absl::Time not_before = absl::InfinitePast();
    absl::Time last_sent = absl::InfinitePast();
  };

  void Run();
  // One stream, from its beginning to its end.
  absl::Status ReportOnce(v1::Ingest::Stub& stub, Stream& stream);
  void Read(Call& call, Stream& stream);
  void Take(const v1::ReportResponse& response, Stream& stream, ReportRejection* rejection)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Waits until there is a message to send, and fills it; false: the stream has ended, or is to.
  bool NextMessage(Stream& stream, v1::ReportRequest* request);
  bool FillDue(Stream& stream, v1::ReportRequest* request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WaitUntilDue(Stream& stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SayGoodbye(Call& call, Stream& stream);

  const ReporterOptions options_;
  v1::IngestHello hello_;  // does not change

  mutable absl::Mutex mu_;
  SteadyCondVar changed_;
  ReportContent content_ ABSL_GUARDED_BY(mu_);
  Stream* stream_ ABSL_GUARDED_BY(mu_) = nullptr;
  absl::Status final_ ABSL_GUARDED_BY(mu_);  // why reporting has ended
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  v1::IngestGoodbye goodbye_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REPORT_SESSION_H_
