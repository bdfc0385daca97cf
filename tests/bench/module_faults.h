// The modules that faults are made with.
//
// **Thread safety.** A function for one thread.
#ifndef OUTPOST_TESTS_BENCH_MODULE_FAULTS_H_
#define OUTPOST_TESTS_BENCH_MODULE_FAULTS_H_

#include <string>
#include <vector>

namespace outpost::bench {

// Installs modules for the faults below the directory `path`, which is to be in the manager's
// module path.
void InstallModules(const std::string& path);

// What an operator sets for a module that is not trusted: flags, of the module `breaks`.
std::vector<std::string> SettingsOfBreaks();

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_MODULE_FAULTS_H_
