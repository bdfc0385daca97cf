// From the parts' errors to gRPC's, with google.rpc details.
#ifndef OUTPOST_SERVER_RPC_STATUS_H_
#define OUTPOST_SERVER_RPC_STATUS_H_

#include <grpcpp/support/status.h>

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace outpost::rpc {

// `status` with an ErrorInfo that holds `reason`, the errno that fits the code,
// and `metadata`; see error_details.proto.
grpc::Status ToGrpc(const absl::Status& status, absl::string_view reason = "",
                    std::map<std::string, std::string> metadata = {});

// The errno that ToGrpc has put in; else the one that fits the code. Positive; 0 for OK.
int ErrnoOf(const grpc::Status& status);

// UNIMPLEMENTED with `words` on what will be there.
grpc::Status NotYet(absl::string_view words);

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_STATUS_H_
