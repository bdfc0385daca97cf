#include "server/rpc/tail_events.h"

#include <limits>
#include <string>
#include <utility>

#include "server/rpc/tail_stream.h"

namespace outpost::rpc {
namespace {

using Stream = TailStream<v1::TailEventsResponse>;

// Where a reader of the events is.
class Reader {
 public:
  Reader(const module::EventLog* events, const v1::TailEventsRequest& request)
      : events_(events), module_(request.module()), follow_(request.follow()) {
    const size_t last = request.has_last() ? request.last() : std::numeric_limits<size_t>::max();
    end_ = events_->End();
    next_ = events_->Start(module_, last, request.after());
  }

  bool Read(v1::TailEventsResponse* response) {
    const module::EventPtr event = events_->Read(&next_, module_, &missed_);
    if (event == nullptr || (!follow_ && event->sequence() >= end_)) return false;
    *response = *event;
    response->set_missed(std::exchange(missed_, 0));
    return true;
  }

 private:
  const module::EventLog* events_;
  std::string module_;
  bool follow_;
  uint64_t end_ = 0;  // of what there was when the call came
  uint64_t next_ = 0;
  uint64_t missed_ = 0;
};

}  // namespace

grpc::ServerWriteReactor<v1::TailEventsResponse>* TailEvents(module::EventLog* events,
                                                             const v1::TailEventsRequest& request) {
  Stream::Listen listen;
  if (request.follow()) {
    listen = [events](std::function<void()> wake) {
      const uint64_t id = events->Listen(std::move(wake));
      return [events, id] { events->Unlisten(id); };
    };
  }
  return new Stream([reader = Reader(events, request)](
                        v1::TailEventsResponse* response) mutable { return reader.Read(response); },
                    listen);
}

}  // namespace outpost::rpc
