// FakeWatch is a FakeManager's end of one Watch: of options, or of keys.
//
// **Thread safety.** Made and ended by gRPC; Offer and End are called with the state's mutex
// held.
#ifndef OUTPOST_SDK_CPP_TESTING_FAKE_WATCH_H_
#define OUTPOST_SDK_CPP_TESTING_FAKE_WATCH_H_

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "sdk/cpp/testing/fake_services.h"
#include "sdk/cpp/testing/fake_state.h"

namespace outpost::testing {

template <typename Response>
class FakeWatch final : public grpc::ServerWriteReactor<Response> {
 public:
  using Set = std::set<FakeWatch*>;

  // Is one of `watches`, of `state`, from Begin on. `wanted`: a prefix of keys, or a module.
  FakeWatch(FakeState* state, Set* watches, std::string wanted)
      : state_(state), watches_(watches), wanted_(std::move(wanted)) {
    absl::MutexLock lock(&state_->mu);
    ++state_->open_calls;
  }

  const std::string& wanted() const { return wanted_; }

  // These three with the state's mutex held.
  void Begin() {
    state_->mu.AssertHeld();
    busy_ = true;
    watches_->insert(this);
    this->StartSendInitialMetadata();
  }

  void Offer(Response message) {
    state_->mu.AssertHeld();
    queue_.push_back(std::move(message));
    Next();
  }
  // Ends it after what waits.
  void End(grpc::Status status) {
    state_->mu.AssertHeld();
    watches_->erase(this);
    if (!end_) end_ = std::move(status);
    Next();
  }

  void OnSendInitialMetadataDone(bool ok) override { Sent(ok); }
  void OnWriteDone(bool ok) override { Sent(ok); }
  void OnCancel() override {
    absl::MutexLock lock(&state_->mu);
    queue_.clear();
    End(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    {
      absl::MutexLock lock(&state_->mu);
      --state_->open_calls;
    }
    delete this;
  }

 private:
  void Sent(bool ok) {
    absl::MutexLock lock(&state_->mu);
    busy_ = false;
    if (ok) return Next();
    queue_.clear();
    End(grpc::Status::CANCELLED);
  }

  void Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu) {
    if (busy_ || finished_) return;
    if (!queue_.empty()) {
      outgoing_ = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      this->StartWrite(&outgoing_);
    } else if (end_) {
      finished_ = true;
      this->Finish(*end_);
    }
  }

  FakeState* const state_;
  Set* const watches_;
  const std::string wanted_;
  Response outgoing_;
  std::deque<Response> queue_ ABSL_GUARDED_BY(state_->mu);
  bool busy_ ABSL_GUARDED_BY(state_->mu) = false;  // something is on its way
  bool finished_ ABSL_GUARDED_BY(state_->mu) = false;
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(state_->mu);
};

// Begins a watch of `wanted`, or refuses it as BeginCall does.
template <typename Response>
grpc::ServerWriteReactor<Response>* StartFakeWatch(const grpc::CallbackServerContext* context,
                                                   FakeState* state, const std::string& call,
                                                   std::set<FakeWatch<Response>*>* watches,
                                                   const std::string& wanted) {
  grpc::Status status;
  {
    absl::MutexLock lock(&state->mu);
    status = BeginCall(context, state, call);
  }
  auto* const watch = new FakeWatch<Response>(state, watches, wanted);
  absl::MutexLock lock(&state->mu);
  if (status.ok()) {
    watch->Begin();
  } else {
    watch->End(status);
  }
  return watch;
}

}  // namespace outpost::testing

#endif  // OUTPOST_SDK_CPP_TESTING_FAKE_WATCH_H_
