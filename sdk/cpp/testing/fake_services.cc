#include "sdk/cpp/testing/fake_services.h"

namespace outpost::testing {

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, const grpc::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

grpc::Status CheckSession(const grpc::CallbackServerContext* context, FakeState* state) {
  const auto range = context->client_metadata().equal_range("outpost-session");
  for (auto it = range.first; it != range.second; ++it) {
    if (std::string(it->second.data(), it->second.size()) == state->session_key()) {
      return grpc::Status::OK;
    }
  }
  return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "no session has this key");
}

}  // namespace outpost::testing
