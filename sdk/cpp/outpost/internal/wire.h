// The wire's messages and errors as the SDK's types, and back.
//
// **Thread safety.** Stateless.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WIRE_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WIRE_H_

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "outpost/cluster.h"
#include "outpost/command_result.h"
#include "outpost/errors.h"
#include "outpost/health.h"
#include "outpost/options.h"
#include "outpost/v1/cluster.pb.h"
#include "outpost/v1/commands.pb.h"
#include "outpost/v1/types.pb.h"

namespace outpost::internal {

// With the reason and the errno of its ErrorInfo; see ErrorReason and ToErrno.
absl::Status FromGrpcStatus(const grpc::Status& status);

absl::Time FromProto(const google::protobuf::Timestamp& time);
absl::Duration FromProto(const google::protobuf::Duration& duration);
google::protobuf::Duration ToProto(absl::Duration duration);

CommandResult FromProto(const v1::CommandResult& result);
// Output that is not UTF-8 goes as bytes.
v1::CommandResult ToProto(CommandResult result);

Daemon FromProto(const v1::DaemonName& daemon);
v1::DaemonName ToProto(const Daemon& daemon);
v1::SendClusterCommandRequest ToProto(const ClusterCommand& command);
Server FromProto(const v1::ServerInfo& server);
CounterSeries FromProto(const v1::CounterSeries& series);

v1::OptionDescriptor ToProto(const OptionDeclaration& declaration);
OptionValues::Update FromProto(const v1::OptionValue& option);
std::vector<OptionValues::Update> FromProto(
    const google::protobuf::RepeatedPtrField<v1::OptionValue>& options);
v1::HealthCheck ToProto(const HealthCheck& check);
RemoteFailure FromProto(const v1::RemoteError& error);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WIRE_H_
