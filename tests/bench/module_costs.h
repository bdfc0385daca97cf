// What a module costs that does nothing but to be there, and how soon a new one serves.
//
// **Thread safety.** A function for one thread.
#ifndef OUTPOST_TESTS_BENCH_MODULE_COSTS_H_
#define OUTPOST_TESTS_BENCH_MODULE_COSTS_H_

#include <filesystem>
#include <string>
#include <vector>

#include "tests/bench/rows.h"

namespace outpost::bench {

// Starts managers below `directory`; `here`: the runfiles. The memory is the manager's, for
// each of 1,000 modules with connections of their own; the time is that of a Python module,
// from `module enable` until it runs, and its unit that of its interpreter with gRPC imported.
std::vector<Row> ModuleCosts(const std::filesystem::path& here, const std::string& directory,
                             int rounds);

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_MODULE_COSTS_H_
