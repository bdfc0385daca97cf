#include "server/rpc/tail_log.h"

#include <deque>
#include <utility>

#include "server/rpc/tail_stream.h"

namespace outpost::rpc {
namespace {

using Stream = TailStream<v1::TailLogResponse>;

// Where a reader of the log is.
class Reader {
 public:
  Reader(const log::LogHistory* history, const v1::TailLogRequest& request)
      : history_(history),
        filter_({.module = request.module(),
                 .channel = request.channel(),
                 .min_level = request.min_level()}),
        follow_(request.follow()) {
    const std::vector<log::LinePtr> last = history_->Last(request.lines(), filter_, &next_);
    old_.assign(last.begin(), last.end());
  }

  bool Read(v1::TailLogResponse* response) {
    log::LinePtr line;
    if (!old_.empty()) {
      line = std::move(old_.front());
      old_.pop_front();
    } else if (follow_) {
      line = history_->Read(&next_, filter_, &missed_);
      if (line != nullptr) response->set_missed(std::exchange(missed_, 0));
    }
    if (line == nullptr) return false;
    response->set_source(line->source);
    *response->mutable_record() = line->record;
    return true;
  }

 private:
  const log::LogHistory* history_;
  log::LineFilter filter_;
  bool follow_;
  std::deque<log::LinePtr> old_;  // from before the call
  uint64_t next_ = 0;
  uint64_t missed_ = 0;
};

}  // namespace

grpc::ServerWriteReactor<v1::TailLogResponse>* TailLog(log::LogHistory* history,
                                                       const v1::TailLogRequest& request) {
  Stream::Listen listen;
  if (request.follow()) {
    listen = [history](const std::function<void()>& wake) {
      const uint64_t id = history->Listen([wake](const log::LinePtr&) { wake(); });
      return [history, id] { history->Unlisten(id); };
    };
  }
  return new Stream([reader = Reader(history, request)](
                        v1::TailLogResponse* response) mutable { return reader.Read(response); },
                    listen);
}

}  // namespace outpost::rpc
