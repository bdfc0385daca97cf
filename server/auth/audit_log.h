// AuditLog is the file that says who did what: a line for each command that may change
// something, each change by another call, and each call that was refused; a JSON object.
//
//     {"n": 17, "time": "2026-01-31T12:00:00.123Z", "who": "user/alice",
//      "from": "uid 1000, pid 77", "command": "config set", "arguments": {"name": "…"},
//      "result": 0, "seconds": 0.002}
//
// Lines are numbered, over restarts too. Of somebody who is refused again and again, not
// every refusal is written: the next line of theirs says how many were not.
//
// **Thread safety.** All methods may be called from any thread. Write never waits for the
// disk: a thread of the log's own writes. Listeners run on the thread that writes.
//
// **Invariants.** A line that could not be written to the disk is counted, tried to be told of,
// and lost: nothing that is audited waits for the audit, or fails with it.
#ifndef OUTPOST_SERVER_AUTH_AUDIT_LOG_H_
#define OUTPOST_SERVER_AUTH_AUDIT_LOG_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "outpost/internal/steady_wait.h"
#include "server/auth/audit_file.h"
#include "server/event/moment.h"
#include "server/log/rate_limit.h"

namespace outpost::auth {

inline constexpr char kNotShown[] = "(not shown)";

// Whether what is called so is not for everybody's eyes: a password, a key, a token.
bool SoundsSecret(absl::string_view name);

// What is written down of one thing that was done, or refused.
struct AuditRecord {
  event::Moment began;
  std::string who;                     // "user/alice"
  std::string from;                    // "uid 1000, pid 77"
  std::string command;                 // its prefix; empty: `method` was called
  std::string method;                  // "outpost.v1.Config.Set"
  nlohmann::json arguments = nullptr;  // with secrets left out; null: none are told
  int result = 0;                      // 0, or a negative errno
  std::string error;                   // why it failed, or was refused
  absl::Duration took = absl::ZeroDuration();
  bool refused = false;   // nothing was done
  bool replayed = false;  // nor here: told again was what an earlier run had come to
  bool hides = false;     // an argument is not shown: nor is an error, which could tell it
};

class AuditLog {
 public:
  static constexpr size_t kRemembered = 1000;  // lines in memory
  static constexpr size_t kMaxWaiting = 8192;  // lines; more are lost
  static constexpr size_t kMaxLine = 8192;     // bytes; of a longer one the arguments are left out
  static constexpr double kRefusalsAtOnce = 20;  // of one caller; then
  static constexpr double kRefusalsASecond = 1;

  // Hears that lines are lost (how many by now, and why), and that writing works again (0).
  using OnTrouble = std::function<void(uint64_t lost, const std::string& why)>;

  // Appends to `path`. UNAVAILABLE says why it can't be opened.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const std::string& path,
                                                        AuditFile::Limits limits,
                                                        OnTrouble on_trouble);
  // Writes what waits.
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void Write(const AuditRecord& record);

  // Opens the file under its name again, before the next line.
  void Reopen();

  // The last lines, the oldest first; at most `count`.
  std::vector<std::string> Last(size_t count) const;

  // Where a reader begins who wants the last `count` lines, but only those after line `after`.
  uint64_t Start(size_t count, uint64_t after) const;
  // The first line that is remembered from number `*next` on, after which *next stands then;
  // nullopt: there is none yet. Adds to *missed how many were forgotten before it.
  std::optional<std::string> Read(uint64_t* next, uint64_t* missed) const;
  // The number that the next line gets.
  uint64_t End() const;

  // Calls `listener` after each new line.
  uint64_t Listen(std::function<void()> listener);
  // After this it neither runs nor will.
  void Unlisten(uint64_t id);

 private:
  AuditLog(const std::string& path, AuditFile::Limits limits, OnTrouble on_trouble)
      : on_trouble_(std::move(on_trouble)), file_(path, limits) {}
  // Whether a refusal of `who` is written; and how many were not since the last one.
  bool MayTell(const std::string& who, uint64_t* untold) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Run();

  const OnTrouble on_trouble_;
  AuditFile file_;  // of the thread

  mutable absl::Mutex mu_;
  internal::SteadyCondVar changed_;                // for the thread: there is something to do
  uint64_t next_number_ ABSL_GUARDED_BY(mu_) = 1;  // the last remembered line has the one before
  std::deque<std::string> remembered_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> waiting_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, log::RateLimit> refusals_ ABSL_GUARDED_BY(mu_);
  uint64_t lost_ ABSL_GUARDED_BY(mu_) = 0;
  bool reopen_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;

  absl::Mutex listeners_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  std::map<uint64_t, std::function<void()>> listeners_ ABSL_GUARDED_BY(listeners_mu_);
  uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mu_) = 1;

  std::thread thread_;
};

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_AUDIT_LOG_H_
