// The manager, as seen from here: one channel, blocking calls that the user can
// interrupt, and gRPC's errors as Failures.
//
// **Thread safety.** One thread at a time.
#ifndef OUTPOST_CLI_CLIENT_H_
#define OUTPOST_CLI_CLIENT_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "outpost/v1/auth.grpc.pb.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "outpost/v1/manager.grpc.pb.h"
#include "outpost/v1/notifications.grpc.pb.h"

namespace outpost::cli {

class Client {
 public:
  struct Settings {
    std::string address;  // a gRPC target
    absl::Duration connect_timeout = absl::Seconds(5);
    absl::Duration timeout = absl::InfiniteDuration();  // of each call
    absl::Duration retry = absl::ZeroDuration();        // see Run
  };

  // `interrupt` outlives the client.
  Client(Settings settings, Interrupt* interrupt);

  // Runs one command. A command that ran and failed is a response. Where no manager answers, or
  // it goes away, it is asked for again, for the time of `retry`; it is run once at most.
  std::optional<Failure> Run(const v1::CommandsRunRequest& request,
                             v1::CommandsRunResponse* response);

  // The commands, of the cluster too, whose prefix begins with `prefix`.
  std::optional<Failure> List(const std::string& prefix, v1::CommandsListResponse* response);

  // What could follow the words that were typed, of which the last is unfinished.
  std::optional<Failure> Complete(const std::vector<std::string>& words,
                                  v1::CommandsCompleteResponse* response);

  // Takes each notification; a failure ends the subscription.
  using OnNotification = std::function<std::optional<Failure>(const v1::Notification&)>;

  // Gives notifications of `types` (none: those that a person wants) to
  // `on_notification` until that fails, the user interrupts or the stream breaks;
  // says which.
  Failure Subscribe(const std::vector<std::string>& types, const OnNotification& on_notification);

  // Takes each line of the log; first nullptr, when the manager has begun to answer. A
  // failure ends the stream.
  using OnLogLine = std::function<std::optional<Failure>(const v1::TailLogResponse*)>;

  // Gives the lines that `request` selects to `on_line` until that fails, the user interrupts
  // or the stream ends; says which.
  Failure TailLog(const v1::TailLogRequest& request, const OnLogLine& on_line);

  // The same of the events that `request` selects.
  using OnEvent = std::function<std::optional<Failure>(const v1::TailEventsResponse*)>;
  Failure TailEvents(const v1::TailEventsRequest& request, const OnEvent& on_event);

  // And of the entries of the audit log.
  using OnAudit = std::function<std::optional<Failure>(const v1::TailAuditResponse*)>;
  Failure TailAudit(const v1::TailAuditRequest& request, const OnAudit& on_entry);

  // Connects anew at the next call: one that found nobody would be tried again only after
  // connect_timeout.
  void Reconnect();

 private:
  // Gives what is read from `reader`, of a call with `context`, to `take`.
  template <typename Message>
  Failure ReadAll(grpc::ClientContext* context, grpc::ClientReader<Message>* reader,
                  const std::function<std::optional<Failure>(const Message*)>& take,
                  const char* what);
  void SetDeadline(grpc::ClientContext* context) const;
  Failure ToFailure(const grpc::Status& status) const;
  Failure Unavailable(const std::string& message) const;

  const Settings settings_;
  Interrupt* const interrupt_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Commands::Stub> commands_;
  std::unique_ptr<v1::Notifications::Stub> notifications_;
  std::unique_ptr<v1::Manager::Stub> manager_;
  std::unique_ptr<v1::Auth::Stub> auth_;
};

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_CLIENT_H_
