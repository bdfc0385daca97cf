#include "outpost/internal/report_session.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "outpost/errors.h"
#include "outpost/internal/backoff.h"
#include "outpost/internal/manager_channel.h"
#include "outpost/internal/utf8.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {
namespace {

constexpr uint32_t kProtocolVersion = 1;
constexpr absl::Duration kGoodbye = absl::Seconds(2);

// For which ingest.proto says: stop.
constexpr std::array<absl::string_view, 6> kFinal = {
    "BAD_HELLO", "PROTOCOL_VERSION", "NOT_ALLOWED", "PROTOCOL_ERROR", "REPLACED", "NO_INGEST"};

std::string BareHostname() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "";
  const std::string full = name;
  return full.substr(0, full.find('.'));
}

// A name for this start of the process, unlike any other.
std::string NewInstance() {
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", absl::Uniform<uint64_t>(random),
                         absl::Uniform<uint64_t>(random));
}

}  // namespace

ReportSession::ReportSession(ReporterOptions options) : options_(std::move(options)) {
  hello_.set_service_type(ToUtf8(options_.service_type));
  hello_.set_daemon_id(ToUtf8(options_.daemon_id));
  hello_.set_hostname(options_.hostname.empty() ? BareHostname() : ToUtf8(options_.hostname));
  hello_.set_version(ToUtf8(options_.version));
  hello_.set_instance(NewInstance());
  if (options_.lease.has_value()) *hello_.mutable_lease() = ToProto(*options_.lease);
  hello_.add_protocol_versions(kProtocolVersion);
}

ReportSession::~ReportSession() { Close("", /*restarting=*/false); }

void ReportSession::Start() {
  absl::MutexLock lock(&mu_);
  if (started_ || closing_) return;
  started_ = true;
  thread_ = std::thread([this] { Run(); });
}

bool ReportSession::connected() const {
  absl::MutexLock lock(&mu_);
  return stream_ != nullptr && stream_->welcomed;
}

absl::Status ReportSession::status() const {
  absl::MutexLock lock(&mu_);
  return final_;
}

absl::Status ReportSession::Flush(absl::Duration timeout) {
  const absl::Time end = SteadyNow() + timeout;
  absl::MutexLock lock(&mu_);
  const Stream* asked = nullptr;
  while (true) {
    if (!final_.ok()) return final_;
    if (!started_ || done_) {
      return absl::FailedPreconditionError(
          "the reporter does not run: it was not started, or is "
          "closed");
    }
    if (stream_ != asked && stream_ != nullptr) {  // the manager changed: all is said anew
      stream_->flushing = true;
      changed_.SignalAll();
    }
    asked = stream_;
    const absl::Time now = SteadyNow();
    if (stream_ != nullptr && stream_->welcomed && !stream_->flushing && !content_.HasDue(now) &&
        stream_->in_flight.empty()) {
      return absl::OkStatus();
    }
    if (now >= end) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the manager did not acknowledge the reports within ", absl::FormatDuration(timeout)));
    }
    changed_.WaitUntil(&mu_, end);
  }
}

void ReportSession::Close(absl::string_view reason, bool restarting) {
  std::thread thread;
  {
    absl::MutexLock lock(&mu_);
    if (!std::exchange(closing_, true)) {
      goodbye_.set_reason(ToUtf8(reason));
      goodbye_.set_restarting(restarting);
    }
    changed_.SignalAll();
    const absl::Time end = SteadyNow() + kGoodbye;
    while (started_ && !done_ && SteadyNow() < end) changed_.WaitUntil(&mu_, end);
    if (stream_ != nullptr) stream_->context.TryCancel();  // it does not take the goodbye
    thread = std::exchange(thread_, {});
  }
  if (thread.joinable()) thread.join();
}

void ReportSession::Run() {
  const auto stub = v1::Ingest::NewStub(MakeChannel(options_.address));
  Backoff backoff;
  mu_.Lock();
  while (!closing_) {
    Stream stream;
    stream_ = &stream;
    content_.Begin();
    mu_.Unlock();
    const absl::Status status = ReportOnce(*stub, stream);
    mu_.Lock();
    stream_ = nullptr;
    if (stream.welcomed) backoff.Reset();
    if (std::find(kFinal.begin(), kFinal.end(), ErrorReason(status)) != kFinal.end()) {
      final_ = status;
      break;
    }
    const absl::Time end = SteadyNow() + backoff.Next();
    while (!closing_ && SteadyNow() < end) changed_.WaitUntil(&mu_, end);
  }
  done_ = true;
  changed_.SignalAll();
  mu_.Unlock();
}

absl::Status ReportSession::ReportOnce(v1::Ingest::Stub& stub, Stream& stream) {
  const auto call = stub.Report(&stream.context);
  std::thread reader([&] { Read(*call, stream); });
  v1::ReportRequest request;
  request.set_sequence(stream.sent = 1);
  *request.mutable_hello() = hello_;
  bool writable = call->Write(request);
  while (writable && NextMessage(stream, &request)) writable = call->Write(request);
  bool goodbye = false;
  {
    absl::MutexLock lock(&mu_);
    goodbye = closing_ && !stream.ended && stream.welcomed;
    if (closing_ && !goodbye) stream.context.TryCancel();
  }
  if (writable && goodbye) SayGoodbye(*call, stream);
  reader.join();
  return FromGrpcStatus(call->Finish());
}

void ReportSession::SayGoodbye(Call& call, Stream& stream) {
  v1::ReportRequest request;
  {
    absl::MutexLock lock(&mu_);
    stream.flushing = true;
    stream.not_before = absl::InfinitePast();
  }
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      // Close waits as long for this as it has patience, and then ends the stream.
      while (!stream.ended && stream.in_flight.size() >= stream.window) WaitUntilDue(stream);
      if (stream.ended || !FillDue(stream, &request)) break;
    }
    if (!call.Write(request)) return;
  }
  {
    absl::MutexLock lock(&mu_);
    request.Clear();
    request.set_sequence(++stream.sent);
    *request.mutable_goodbye() = goodbye_;
  }
  if (call.Write(request)) call.WritesDone();
}

bool ReportSession::NextMessage(Stream& stream, v1::ReportRequest* request) {
  absl::MutexLock lock(&mu_);
  while (!stream.ended && !closing_) {
    if (stream.welcomed && FillDue(stream, request)) return true;
    WaitUntilDue(stream);
  }
  return false;
}

bool ReportSession::FillDue(Stream& stream, v1::ReportRequest* request) {
  if (stream.in_flight.size() >= stream.window) return false;  // an answer wakes us
  const absl::Time now = SteadyNow();
  request->Clear();
  std::optional<ReportContent::About> about;
  if (now >= stream.not_before) {
    const bool counters = stream.flushing || now >= stream.next_counters;
    about = content_.Next(counters, now, request);
    // A schema makes the manager forget all values.
    if (about.has_value() && about->topic == ReportContent::Topic::kSchema) {
      stream.next_counters = absl::InfinitePast();
    }
    // After counters comes the rest of this round, without them.
    const bool counted = about.has_value() && about->topic == ReportContent::Topic::kCounters;
    if (counters && (counted || !about.has_value())) {
      stream.next_counters = now + stream.interval;
      if (std::exchange(stream.flushing, false)) changed_.SignalAll();
    }
  }
  if (!about.has_value()) {
    if (now < stream.last_sent + stream.lease / 3) return false;
    request->Clear();
    request->mutable_keepalive();
    about.emplace();
  }
  request->set_sequence(++stream.sent);
  stream.in_flight[stream.sent] = *about;
  stream.last_sent = now;
  return true;
}

void ReportSession::WaitUntilDue(Stream& stream) {
  const absl::Time now = SteadyNow();
  absl::Time until = now + stream.lease / 3;
  if (stream.welcomed && stream.in_flight.size() < stream.window) {
    const absl::Time due =
        std::max(stream.not_before, std::min(stream.next_counters, content_.NextRetry(now)));
    until = std::min({until, due, stream.last_sent + stream.lease / 3});
  }
  changed_.WaitUntil(&mu_, std::max(until, now + absl::Milliseconds(1)));
}

void ReportSession::Read(Call& call, Stream& stream) {
  v1::ReportResponse response;
  while (call.Read(&response)) {
    ReportRejection rejection;
    {
      absl::MutexLock lock(&mu_);
      Take(response, stream, &rejection);
      changed_.SignalAll();
    }
    if (response.has_rejected() && options_.on_rejected) options_.on_rejected(rejection);
  }
  absl::MutexLock lock(&mu_);
  stream.ended = true;
  changed_.SignalAll();
}

void ReportSession::Take(const v1::ReportResponse& response, Stream& stream,
                         ReportRejection* rejection) {
  switch (response.message_case()) {
    case v1::ReportResponse::kWelcome: {
      const v1::IngestWelcome& welcome = response.welcome();
      stream.welcomed = true;
      stream.interval = FromProto(welcome.report_interval());
      stream.lease = FromProto(welcome.lease());
      const size_t window = welcome.limits().max_unacknowledged();
      stream.window = window == 0 ? kMaxUnderWay : std::min(window, kMaxUnderWay);
      stream.last_sent = SteadyNow();
      content_.SetMinPriority(welcome.min_priority());
      return;
    }
    case v1::ReportResponse::kAck:
      stream.in_flight.erase(stream.in_flight.begin(),
                             stream.in_flight.upper_bound(response.ack().sequence()));
      return;
    case v1::ReportResponse::kConfigure:
      if (response.configure().has_report_interval()) {
        stream.interval = FromProto(response.configure().report_interval());
        stream.next_counters = std::min(stream.next_counters, SteadyNow() + stream.interval);
      }
      if (response.configure().has_min_priority()) {
        content_.SetMinPriority(response.configure().min_priority());
      }
      return;
    case v1::ReportResponse::kResendSchema:
      return content_.ResendSchema();
    case v1::ReportResponse::kRejected: {
      const v1::IngestRejected& rejected = response.rejected();
      *rejection = {.reason = v1::IngestRejected::Reason_Name(rejected.reason()),
                    .field = rejected.field(),
                    .message = rejected.message()};
      const auto about = stream.in_flight.find(rejected.sequence());
      if (about == stream.in_flight.end()) return;
      if (rejected.reason() == v1::IngestRejected::REASON_TOO_FAST) {
        stream.not_before = SteadyNow() + stream.interval;
        content_.Again(about->second, absl::InfinitePast());
      } else if (rejected.reason() == v1::IngestRejected::REASON_OWNED) {
        content_.Again(about->second, SteadyNow() + stream.lease);
      }
      stream.in_flight.erase(about);
      return;
    }
    case v1::ReportResponse::MESSAGE_NOT_SET:
      return;  // of a newer manager
  }
}

}  // namespace outpost::internal
