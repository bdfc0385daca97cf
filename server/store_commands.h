// `outpostd store check | backup | recover`: what an operator does with a manager's store from
// outside of it, whether or not one runs.
#ifndef OUTPOST_SERVER_STORE_COMMANDS_H_
#define OUTPOST_SERVER_STORE_COMMANDS_H_

#include <string>

namespace outpost {

// How outpostd ends when its store is damaged (EX_DATAERR of sysexits.h).
inline constexpr int kStoreDamaged = 65;

struct StoreOutcome {
  int exit_status = 0;  // 1: it could not be done; 2: the command line; kStoreDamaged
  std::string out;      // for standard output
  std::string err;      // for standard error
};

// Runs the command line behind `outpostd store`; argv[0] is "store".
StoreOutcome RunStoreCommand(int argc, const char* const* argv);

}  // namespace outpost

#endif  // OUTPOST_SERVER_STORE_COMMANDS_H_
