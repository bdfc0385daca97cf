// OrphanOutput throws away the oldest of a module's output while there is no manager to read it,
// so that writing never blocks.
//
// The supervisor's pipe is a FIFO, which the module holds open for both ends; else a printf would
// wait, when 64 KiB are in it, for the next manager. The newest half stays for that one. Output
// that is anything else (a terminal, a file, a pipe) is left alone.
//
// **Thread safety.** None: for one thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_ORPHAN_OUTPUT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_ORPHAN_OUTPUT_H_

#include <unistd.h>

#include <cstdint>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "outpost/internal/steady_wait.h"

namespace outpost::internal {

class OrphanOutput {
 public:
  explicit OrphanOutput(int descriptor = STDOUT_FILENO) : descriptor_(descriptor) {}
  ~OrphanOutput() { Adopted(); }
  OrphanOutput(const OrphanOutput&) = delete;
  OrphanOutput& operator=(const OrphanOutput&) = delete;

  // No manager reads from now on. Nothing happens where that is known.
  void Orphaned();
  // A manager reads again. How many bytes were thrown away meanwhile.
  uint64_t Adopted();

 private:
  void Run(int reader);

  const int descriptor_;
  std::thread thread_;
  absl::Mutex mu_;
  bool adopted_ ABSL_GUARDED_BY(mu_) = false;
  SteadyCondVar changed_;  // adopted_
  uint64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_ORPHAN_OUTPUT_H_
