// A module's session, of messages of any content and order: whatever it says, each request that
// the module was given ends once, and when it has gone, nothing waits for it.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "outpost/v1/module_host.pb.h"
#include "server/log/log.h"
#include "server/module/supervisor_fixture.h"
#include "server/store/sqlite/scratch_dir.h"
#include "tests/fuzz/frames.h"

namespace {

using outpost::module::Session;
using outpost::v1::AttachRequest;
using outpost::v1::AttachResponse;

struct Link final : outpost::module::SessionLink {
  bool Send(AttachResponse&&) override { return !closed; }
  void Close(const absl::Status&, absl::string_view) override { closed = true; }
  std::atomic<bool> closed = false;
};

outpost::module::TestManager& Manager() {
  static const outpost::store::ScratchDir directory;
  static auto* const manager = [] {
    (void)outpost::log::Configure({.file = "", .level = "off", .levels = {}});
    return new outpost::module::TestManager(directory.path());
  }();
  return *manager;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto messages = outpost::fuzz::ParseFrames<AttachRequest>(data, size);
  if (messages.empty() || !messages[0].has_register_()) return 0;
  auto& manager = Manager();
  outpost::v1::Register registration = std::move(*messages[0].mutable_register_());
  // The manager remembers what names there were.
  registration.set_name("fuzz");
  auto link = std::make_shared<Link>();
  outpost::module::Refusal refusal;
  const std::shared_ptr<Session> session = manager->Attach(std::move(registration), link, &refusal);
  if (session == nullptr) {
    if (refusal.status.ok()) std::abort();
    return 0;
  }
  struct Ends {
    std::atomic<int> commands = 0;
    std::atomic<int> calls = 0;
  };
  const auto ends = std::make_shared<Ends>();
  AttachResponse command;
  command.mutable_run_command()->set_prefix("fuzz");
  session->Start(command, "command \"fuzz\"", absl::InfiniteFuture(),
                 [ends](const Session::Answer&) { ++ends->commands; });
  AttachResponse call;
  call.mutable_call()->set_method("fuzz");
  session->Start(call, "call of \"fuzz\"", absl::InfiniteFuture(),
                 [ends](const Session::Answer&) { ++ends->calls; });
  for (size_t i = 1; i < messages.size() && !link->closed; ++i) {
    AttachRequest& message = messages[i];
    switch (message.message_case()) {
      case AttachRequest::kRegister:
      case AttachRequest::kNotificationAck:  // the stream's, not the session's
        break;
      case AttachRequest::kCommandResult: {
        const uint64_t id = message.command_result().id();
        session->HandleAnswer(id, std::move(message));
        break;
      }
      case AttachRequest::kCallResult: {
        const uint64_t id = message.call_result().id();
        session->HandleAnswer(id, std::move(message));
        break;
      }
      default:
        manager->Handle(session, message);
    }
  }
  manager->Detach(session, "has ended its session");
  if (ends->commands != 1 || ends->calls != 1 || session->in_flight() != 0) std::abort();
  return 0;
}
