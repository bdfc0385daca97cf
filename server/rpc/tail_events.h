// The call Manager.TailEvents, once it is known that there is such a module.
#ifndef OUTPOST_SERVER_RPC_TAIL_EVENTS_H_
#define OUTPOST_SERVER_RPC_TAIL_EVENTS_H_

#include <grpcpp/support/server_callback.h>

#include "outpost/v1/manager.pb.h"
#include "server/module/event_log.h"

namespace outpost::rpc {

// A reactor that deletes itself when the call is over. `events` outlives it.
grpc::ServerWriteReactor<v1::TailEventsResponse>* TailEvents(module::EventLog* events,
                                                             const v1::TailEventsRequest& request);

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_TAIL_EVENTS_H_
