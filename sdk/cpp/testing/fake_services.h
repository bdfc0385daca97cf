// The services of a FakeManager that answer a call at a time.
//
// **Thread safety.** As gRPC's services; see fake_state.h.
#ifndef OUTPOST_SDK_CPP_TESTING_FAKE_SERVICES_H_
#define OUTPOST_SDK_CPP_TESTING_FAKE_SERVICES_H_

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>
#include <vector>

#include "sdk/cpp/testing/fake_state.h"

namespace outpost::testing {

// All of them, over `state`, which outlives them.
std::vector<std::unique_ptr<grpc::Service>> MakeFakeServices(FakeState* state);

}  // namespace outpost::testing

#endif  // OUTPOST_SDK_CPP_TESTING_FAKE_SERVICES_H_
