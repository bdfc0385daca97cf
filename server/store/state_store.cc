#include "server/store/state_store.h"

#include "absl/synchronization/notification.h"

namespace outpost::store {

absl::Status StateStore::WriteAndWait(Batch batch) {
  absl::Status result;
  absl::Notification done;
  Write(std::move(batch), [&](absl::Status status) {
    result = std::move(status);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

}  // namespace outpost::store
