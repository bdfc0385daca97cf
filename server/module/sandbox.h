// What outpost-launch does to itself before it becomes a module: limits, a view of the
// file system, a user, system calls that are refused.
//
// Each part tells whether it was done, and why not: a container that forbids it, a
// kernel without it and a typing error look the same to whoever asked for it. None is
// fatal: a module that can't be held back is better than none, if people are told.
//
// **Thread safety.** For a process with one thread, before it executes another program.
#ifndef OUTPOST_SERVER_MODULE_SANDBOX_H_
#define OUTPOST_SERVER_MODULE_SANDBOX_H_

#include <vector>

#include "server/module/launch_spec.h"

namespace outpost::module {

// All that `spec` asks for, in an order in which each part still may do what it needs to.
std::vector<Measure> EnterSandbox(const LaunchSpec& spec);

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_SANDBOX_H_
