// The unit of the benchmark: a bare gRPC server of the callback API, built with
// the same flags as outpostd, that knows two methods and nothing else.
//
//     echo_server SOCKET BYTES
//
// /bench.Echo/Echo answers what it was sent; /bench.Echo/Slice answers BYTES
// bytes that were made once, by reference. Ends on SIGTERM.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

namespace {

class EchoReactor final : public grpc::ServerGenericBidiReactor {
 public:
  EchoReactor(bool slice, const grpc::ByteBuffer& payload) : slice_(slice), payload_(payload) {
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status(grpc::StatusCode::CANCELLED, "no request"));
    StartWriteAndFinish(slice_ ? &payload_ : &request_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  const bool slice_;
  grpc::ByteBuffer payload_;  // a reference to the bytes that all calls share
  grpc::ByteBuffer request_;
};

class EchoService final : public grpc::CallbackGenericService {
 public:
  explicit EchoService(size_t bytes) {
    const grpc::Slice slice(std::string(bytes, 'x'));
    payload_ = grpc::ByteBuffer(&slice, 1);
  }
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new EchoReactor(context->method() == "/bench.Echo/Slice", payload_);
  }

 private:
  grpc::ByteBuffer payload_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: echo_server SOCKET BYTES\n");
    return 2;
  }
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  EchoService service(std::strtoul(argv[2], nullptr, 10));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("unix:") + argv[1], grpc::InsecureServerCredentials());
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  int signal = 0;
  sigwait(&stop, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}
