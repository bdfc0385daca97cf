// The main function of a module's program.
//
//     int main(int argc, char** argv) { return outpost::RunModule<Hello>(argc, argv); }
//
// Where to connect, and as whom, come from the flags --address and --name, else
// from OUTPOST_ADDRESS and OUTPOST_MODULE, which the manager's supervisor sets;
// the token from the file descriptor that OUTPOST_TOKEN_FD names. SIGTERM and
// SIGINT end the module in good order; the same signal again ends it at once.
//
// Exit status:
//
//     0    it was asked to end, and did
//     1    it was asked to end, and one of its threads did not in time
//     2    the command line is wrong
//     75   no manager could be reached for too long (Configure.orphan_grace)
//     78   the manager refused the module, or its declarations or environment are
//          wrong: a new start with the same settings will not help
//
// A module may end itself with kExitNotConfigured or kExitDoNotRestart, by std::_Exit: the
// manager then starts it again when one of its options changes, or when an operator says so.
//
// For all but 0 a line on standard error says what and why.
#ifndef OUTPOST_SDK_CPP_OUTPOST_MAIN_H_
#define OUTPOST_SDK_CPP_OUTPOST_MAIN_H_

#include <functional>
#include <memory>
#include <type_traits>

#include "absl/status/status.h"
#include "outpost/module.h"

namespace outpost {

// Its options do not let it work: started again when one of them changes.
inline constexpr int kExitNotConfigured = 6;
// Not to be started again, whatever its restart policy is, until an operator does.
inline constexpr int kExitDoNotRestart = 78;

// How to make a module, and what can be known of it before.
struct ModuleFactory {
  std::function<std::unique_ptr<Module>()> make;
  std::function<absl::Status()> can_run;
  bool has_serve = false;
};

// The factory of a subclass: overriding Serve gives it one.
template <typename T>
ModuleFactory FactoryOf() {
  static_assert(std::is_base_of_v<Module, T>, "a module is a subclass of outpost::Module");
  return {
      .make = [] { return std::make_unique<T>(); },
      .can_run = [] { return T::CanRun(); },
      .has_serve = !std::is_same_v<decltype(&T::Serve), absl::Status (Module::*)(ServeContext&)>};
}

// Runs a module until it ends; gives the exit status. To be called first in main:
// signals are blocked for all threads started later.
int Main(int argc, char** argv, const ModuleFactory& factory);

template <typename T>
int RunModule(int argc, char** argv) {
  return Main(argc, argv, FactoryOf<T>());
}

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_MAIN_H_
