// The services of a FakeManager that answer a call at a time.
//
// **Thread safety.** As gRPC's services; see fake_state.h.
#ifndef OUTPOST_SDK_CPP_TESTING_FAKE_SERVICES_H_
#define OUTPOST_SDK_CPP_TESTING_FAKE_SERVICES_H_

#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>

#include "sdk/cpp/testing/fake_state.h"

namespace outpost::testing {

// Each is over `state`, which outlives it.
std::unique_ptr<grpc::Service> MakeFakeCluster(FakeState* state);
std::unique_ptr<grpc::Service> MakeFakeConfig(FakeState* state);
std::unique_ptr<grpc::Service> MakeFakeKeyValue(FakeState* state);
std::unique_ptr<grpc::Service> MakeFakeHealth(FakeState* state);
std::unique_ptr<grpc::Service> MakeFakeProgress(FakeState* state);
std::unique_ptr<grpc::Service> MakeFakeAuth(FakeState* state);
std::unique_ptr<grpc::Service> MakeFakeManagerService(FakeState* state);
std::unique_ptr<grpc::Service> MakeFakeRemote(FakeState* state);
std::unique_ptr<grpc::Service> MakeFakeCommands(FakeState* state);

// For these services.
grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                 const grpc::Status& status = grpc::Status::OK);
// Counts a call ("KeyValue.Put"), and tells whether it is to be answered: calls of a
// module carry its session key (a wrong one is the SDK's mistake), and the test may
// have them refused.
grpc::Status BeginCall(const grpc::CallbackServerContext* context, FakeState* state,
                       const std::string& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mu);

}  // namespace outpost::testing

#endif  // OUTPOST_SDK_CPP_TESTING_FAKE_SERVICES_H_
