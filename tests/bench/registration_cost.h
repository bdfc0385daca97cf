// RegistrationCost: what it takes the command table to learn a module's commands.
//
// **Thread safety.** None.
#ifndef OUTPOST_TESTS_BENCH_REGISTRATION_COST_H_
#define OUTPOST_TESTS_BENCH_REGISTRATION_COST_H_

#include "tests/bench/rows.h"

namespace outpost::bench {

// A module with 40 commands that comes and goes beside 50 others with as many each, as ratio to
// one that does so alone.
Row RegistrationCost(int rounds);

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_REGISTRATION_COST_H_
