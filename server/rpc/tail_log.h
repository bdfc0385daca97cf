// The stream of Manager.TailLog.
#ifndef OUTPOST_SERVER_RPC_TAIL_LOG_H_
#define OUTPOST_SERVER_RPC_TAIL_LOG_H_

#include <grpcpp/support/server_callback.h>

#include "outpost/v1/manager.pb.h"
#include "server/log/log_history.h"

namespace outpost::rpc {

// Writes the lines that `request` asks for, one message at a time. A reader that
// is slow misses lines, and is told how many; nothing waits for it. `history`
// outlives the call.
grpc::ServerWriteReactor<v1::TailLogResponse>* TailLog(log::LogHistory* history,
                                                       const v1::TailLogRequest& request);

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_TAIL_LOG_H_
