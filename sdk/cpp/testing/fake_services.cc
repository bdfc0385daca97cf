#include "sdk/cpp/testing/fake_services.h"

#include <algorithm>

#include "sdk/cpp/testing/fake_streams.h"

namespace outpost::testing {

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, const grpc::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

grpc::Status BeginCall(const grpc::CallbackServerContext* context, FakeState* state,
                       const std::string& call) {
  ++state->calls[call];
  const auto range = context->client_metadata().equal_range("outpost-session");
  const bool known = std::any_of(range.first, range.second, [&](const auto& entry) {
    state->mu.AssertHeld();
    return std::string(entry.second.data(), entry.second.size()) == state->session_key();
  });
  if (!known) return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "no session has this key");
  const auto it = state->call_refusals.find(call);
  return it == state->call_refusals.end() ? grpc::Status::OK : StatusWithReason(it->second, "");
}

}  // namespace outpost::testing
