// A manager that is played: it answers what a test tells it to, and remembers what
// it was asked.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_CLI_TESTING_FAKE_MANAGER_H_
#define OUTPOST_CLI_TESTING_FAKE_MANAGER_H_

#include <grpcpp/server.h>
#include <grpcpp/server_context.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "outpost/v1/notifications.grpc.pb.h"

namespace outpost::cli {

class FakeManager : public v1::Commands::Service, public v1::Notifications::Service {
 public:
  using Handler = std::function<grpc::Status(grpc::ServerContext*, const v1::CommandsRunRequest&,
                                             v1::CommandsRunResponse*)>;

  // Listens on `address`, a gRPC target.
  explicit FakeManager(const std::string& address);
  ~FakeManager() override;

  // Goes away, and ends what is being answered.
  void Stop();

  // What to do with each Run from now on.
  void OnRun(Handler handler) ABSL_LOCKS_EXCLUDED(mutex_);

  // Run gives this; the command's prefix is "iostat".
  void OnRunAnswer(int retval, std::string out, std::string err, bool poll = false)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Adds a command to the List.
  void AddCommand(const std::string& prefix, const std::string& signature, const std::string& usage)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // What a subscriber gets, before the stream waits to be cancelled.
  void SetNotifications(std::vector<v1::Notification> notifications) ABSL_LOCKS_EXCLUDED(mutex_);

  // What Run was asked, in order.
  std::vector<v1::CommandsRunRequest> requests() const ABSL_LOCKS_EXCLUDED(mutex_);

  // The types of the last Subscribe.
  std::vector<std::string> subscribed_types() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until Run was called `n` times; false after a deadline.
  bool WaitForRequests(size_t n) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until no Run is in hand; false after a deadline.
  bool WaitForIdle() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Returns when nobody waits for the answer any more, or after a deadline. A
  // synchronous handler has nothing but IsCancelled to ask, and so asks often.
  static void AwaitCancelled(grpc::ServerContext* context);

 private:
  grpc::Status Run(grpc::ServerContext* context, const v1::CommandsRunRequest* request,
                   v1::CommandsRunResponse* response) override;
  grpc::Status List(grpc::ServerContext* context, const v1::CommandsListRequest* request,
                    v1::CommandsListResponse* response) override;
  grpc::Status Subscribe(grpc::ServerContext* context, const v1::SubscribeRequest* request,
                         grpc::ServerWriter<v1::SubscribeResponse>* writer) override;

  mutable absl::Mutex mutex_;
  Handler handler_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::CommandsRunRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> subscribed_types_ ABSL_GUARDED_BY(mutex_);
  v1::CommandsListResponse list_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Notification> notifications_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_TESTING_FAKE_MANAGER_H_
