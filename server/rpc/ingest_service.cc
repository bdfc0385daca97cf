#include "server/rpc/ingest_service.h"

#include <google/protobuf/arena.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <deque>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/refused_stream.h"
#include "server/rpc/status.h"

namespace outpost::rpc {
namespace {

using cluster::report::ReportedDaemons;
using cluster::report::ReportLink;
using cluster::report::ReportStream;
using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

grpc::ByteBuffer Encoded(const v1::ReportResponse& response) {
  const grpc::Slice slice(response.SerializeAsString());
  return {&slice, 1};
}

// The sending side of one stream: one write at a time. Acknowledgements wait as one number;
// other messages in a queue, which is bounded in that nothing is read while it is long. It may
// outlive the stream.
class StreamLink final : public ReportLink {
 public:
  static constexpr size_t kMaxQueued = 64;  // answers; one more message may add two

  StreamLink(Reactor* stream, grpc::CallbackServerContext* context)
      : stream_(stream), context_(context) {}

  void Send(const v1::ReportResponse& message) override {
    absl::MutexLock lock(&mu_);
    if (stream_ == nullptr || closing_) return;
    queue_.push_back(Encoded(message));
    if (!writing_) WriteNext();
  }

  void Acknowledge(uint64_t sequence) override {
    absl::MutexLock lock(&mu_);
    if (stream_ == nullptr || closing_) return;
    unacknowledged_ = sequence;
    if (!writing_) WriteNext();
  }

  void Close(const absl::Status& status, absl::string_view reason) override {
    absl::MutexLock lock(&mu_);
    if (stream_ == nullptr || closing_) return;
    last_words_ = ToGrpc(status, reason);
    // What waits is written first, but for one who does not read: a status would wait behind it.
    if (writing_ && queue_.size() >= kMaxQueued) context_->TryCancel();
    CloseAfterWrites();
  }

  // The last write has ended. True: reading had been held up, and goes on.
  bool Written(bool ok) {
    absl::MutexLock lock(&mu_);
    writing_ = false;
    if (!ok) {
      queue_.clear();
      unacknowledged_ = 0;
      CloseAfterWrites();
    } else {
      WriteNext();
    }
    return !closing_ && queue_.size() < kMaxQueued && std::exchange(held_up_, false);
  }

  // Whether the next message may be read now; if not, Written says when, or it never may.
  bool MayRead() {
    absl::MutexLock lock(&mu_);
    if (closing_) return false;
    held_up_ = queue_.size() >= kMaxQueued;
    return !held_up_;
  }

  // The daemon sends no more.
  void ReadsDone() {
    absl::MutexLock lock(&mu_);
    CloseAfterWrites();
  }

  // The stream object is about to go.
  void Gone() {
    absl::MutexLock lock(&mu_);
    stream_ = nullptr;
    context_ = nullptr;
  }

 private:
  void CloseAfterWrites() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    closing_ = true;
    if (!writing_) WriteNext();
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (finished_ || stream_ == nullptr) return;
    if (!queue_.empty()) {
      current_.Swap(&queue_.front());
      queue_.pop_front();
    } else if (unacknowledged_ != 0) {
      v1::ReportResponse ack;
      ack.mutable_ack()->set_sequence(std::exchange(unacknowledged_, 0));
      current_ = Encoded(ack);
    } else {
      if (closing_) {
        finished_ = true;
        stream_->Finish(last_words_);
      }
      return;
    }
    writing_ = true;
    stream_->StartWrite(&current_);
  }

  absl::Mutex mu_;
  Reactor* stream_ ABSL_GUARDED_BY(mu_);
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mu_);
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool held_up_ ABSL_GUARDED_BY(mu_) = false;  // reading waits for writing
  bool closing_ ABSL_GUARDED_BY(mu_) = false;  // nothing more is taken
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  grpc::Status last_words_ ABSL_GUARDED_BY(mu_);
  uint64_t unacknowledged_ ABSL_GUARDED_BY(mu_) = 0;  // 0: nothing
  std::deque<grpc::ByteBuffer> queue_ ABSL_GUARDED_BY(mu_);
  grpc::ByteBuffer current_ ABSL_GUARDED_BY(mu_);
};

// An arena for the messages of one thread; most fit into its first block.
google::protobuf::Arena& ThreadArena() {
  constexpr size_t kBlock = size_t{64} << 10;
  struct Memory {
    std::unique_ptr<char[]> block = std::make_unique<char[]>(kBlock);
    google::protobuf::Arena arena{block.get(), kBlock};
  };
  thread_local Memory memory;
  return memory.arena;
}

class ReportReactor final : public Reactor {
 public:
  ReportReactor(grpc::CallbackServerContext* context, ReportedDaemons* daemons)
      : daemons_(daemons), link_(std::make_shared<StreamLink>(this, context)) {}

  void Begin() { StartRead(&incoming_); }
  const std::shared_ptr<StreamLink>& link() const { return link_; }

  void OnReadDone(bool ok) override {
    if (!ok) {
      if (stream_ != nullptr) daemons_->Detach(stream_);
      link_->ReadsDone();
      return;
    }
    Handle();
    incoming_.Clear();
    if (link_->MayRead()) StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    if (link_->Written(ok)) StartRead(&incoming_);
  }

  void OnDone() override {
    if (stream_ != nullptr) daemons_->Detach(stream_);
    link_->Gone();
    delete this;
  }

 private:
  void Handle() {
    google::protobuf::Arena& arena = ThreadArena();
    auto& request = *google::protobuf::Arena::CreateMessage<v1::ReportRequest>(&arena);
    const size_t bytes = incoming_.Length();
    bool parsed = false;
    {
      grpc::ProtoBufferReader reader(&incoming_);
      parsed = reader.status().ok() && request.ParseFromZeroCopyStream(&reader);
    }
    if (!parsed) {
      link_->Close(
          absl::InvalidArgumentError(absl::StrCat(
              stream_ == nullptr ? "the first message" : stream_->daemon->name + ": a message",
              " is not an outpost.v1.ReportRequest (or has text that is not UTF-8)")),
          "PROTOCOL_ERROR");
    } else if (stream_ == nullptr) {
      stream_ = daemons_->Open(request, link_);
    } else {
      daemons_->Handle(stream_, request, bytes);
    }
    arena.Reset();
  }

  ReportedDaemons* const daemons_;
  const std::shared_ptr<StreamLink> link_;
  std::shared_ptr<ReportStream> stream_;  // null until Hello
  grpc::ByteBuffer incoming_;
};

}  // namespace

Reactor* IngestService::Report(grpc::CallbackServerContext* context) {
  if (daemons_ == nullptr) {
    return new RefusedReactor<Reactor>(
        ToGrpc(absl::UnimplementedError(absl::StrCat(
                   "the manager's source is \"", source_,
                   "\", and it takes no reports beside: --take-reports lets daemons report")),
               "NO_INGEST"));
  }
  if (const absl::Status refused = Admit(*context); !refused.ok()) {
    return TooManyStreams<Reactor>(refused);
  }
  auto* const reactor = new ReportReactor(context, daemons_);
  OnEnd(*context, [link = reactor->link()](const absl::Status& status, absl::string_view reason) {
    link->Close(status, reason);
  });
  reactor->Begin();
  return reactor;
}

}  // namespace outpost::rpc
