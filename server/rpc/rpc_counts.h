// How many calls the gRPC server has had: what gRPC counts anyway, for channelz.
#ifndef OUTPOST_SERVER_RPC_RPC_COUNTS_H_
#define OUTPOST_SERVER_RPC_RPC_COUNTS_H_

#include <cstdint>

namespace outpost::rpc {

struct RpcCounts {
  uint64_t started = 0;
  uint64_t succeeded = 0;
  uint64_t failed = 0;
};

// Of all servers of this process that were built with GRPC_ARG_ENABLE_CHANNELZ, added up.
// Thread-safe; it renders a short text and parses it.
RpcCounts CountRpcs();

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_RPC_COUNTS_H_
