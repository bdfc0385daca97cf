#include "server/rpc/tail_log.h"

#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace outpost::rpc {
namespace {

log::LineFilter FilterOf(const v1::TailLogRequest& request) {
  return {
      .module = request.module(), .channel = request.channel(), .min_level = request.min_level()};
}

class TailLogReactor final : public grpc::ServerWriteReactor<v1::TailLogResponse> {
 public:
  TailLogReactor(log::LogHistory* history, const v1::TailLogRequest& request)
      : history_(history), filter_(FilterOf(request)), follow_(request.follow()) {
    const std::vector<log::LinePtr> last = history_->Last(request.lines(), filter_, &next_);
    old_.assign(last.begin(), last.end());
    if (follow_) listener_ = history_->Listen([this](const log::LinePtr&) { WriteNext(); });
    WriteNext();
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mu_);
      writing_ = false;
      if (!ok) return End(grpc::Status::CANCELLED);
    }
    WriteNext();
  }

  void OnCancel() override {
    absl::MutexLock lock(&mu_);
    if (!writing_) End(grpc::Status::CANCELLED);  // else the write fails, and ends it
  }

  void OnDone() override {
    if (listener_ != 0) history_->Unlisten(listener_);  // after this nobody calls WriteNext
    delete this;
  }

 private:
  void WriteNext() {
    absl::MutexLock lock(&mu_);
    if (writing_ || ended_) return;
    current_.Clear();
    log::LinePtr line;
    uint64_t missed = 0;
    if (!old_.empty()) {
      line = std::move(old_.front());
      old_.pop_front();
    } else if (follow_) {
      line = history_->Read(&next_, filter_, &missed_);
      if (line != nullptr) missed = std::exchange(missed_, 0);
    } else {
      return End(grpc::Status::OK);
    }
    if (line == nullptr) return;
    current_.set_source(line->source);
    *current_.mutable_record() = line->record;
    current_.set_missed(missed);
    writing_ = true;
    StartWrite(&current_);
  }

  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (std::exchange(ended_, true)) return;
    Finish(status);
  }

  log::LogHistory* const history_;
  const log::LineFilter filter_;
  const bool follow_;
  uint64_t listener_ = 0;
  absl::Mutex mu_;
  std::deque<log::LinePtr> old_ ABSL_GUARDED_BY(mu_);  // from before the call
  uint64_t next_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t missed_ ABSL_GUARDED_BY(mu_) = 0;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  v1::TailLogResponse current_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

grpc::ServerWriteReactor<v1::TailLogResponse>* TailLog(log::LogHistory* history,
                                                       const v1::TailLogRequest& request) {
  return new TailLogReactor(history, request);
}

}  // namespace outpost::rpc
