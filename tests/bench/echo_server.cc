// The unit of the benchmark: a bare gRPC server of the callback API, built with
// the same flags as outpostd, that knows two methods and nothing else.
//
//     echo_server SOCKET BYTES
//
// Echo.Unary answers what it was sent; Echo.Slice answers BYTES bytes that were
// made once, by reference, as a raw method. Ends on SIGTERM.
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "tests/bench/echo.grpc.pb.h"

namespace {

using outpost::bench::Echo;
using outpost::bench::EchoRequest;
using outpost::bench::EchoResponse;

class EchoService final : public Echo::WithRawCallbackMethod_Slice<Echo::CallbackService> {
 public:
  explicit EchoService(size_t bytes) : slice_(std::string(bytes, 'x')) {}

  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const EchoRequest* request,
                                  EchoResponse* response) override {
    response->set_payload(request->payload());
    return Finish(context);
  }
  grpc::ServerUnaryReactor* Slice(grpc::CallbackServerContext* context, const grpc::ByteBuffer*,
                                  grpc::ByteBuffer* response) override {
    *response = grpc::ByteBuffer(&slice_, 1);
    return Finish(context);
  }

 private:
  static grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const grpc::Slice slice_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: echo_server SOCKET BYTES\n");
    return 2;
  }
  // As outpostd and modules do.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  EchoService service(std::strtoul(argv[2], nullptr, 10));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("unix:") + argv[1], grpc::InsecureServerCredentials());
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  int signal = 0;
  sigwait(&stop, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}
