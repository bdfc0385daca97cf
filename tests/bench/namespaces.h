// Namespaces of Linux: what is started and mounted in them ends with them, and networks can be
// taken apart there.
//
// **Thread safety.** None; RunApart is for a process that has one thread yet.
#ifndef OUTPOST_TESTS_BENCH_NAMESPACES_H_
#define OUTPOST_TESTS_BENCH_NAMESPACES_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/servers.h"

namespace outpost::bench {

// Runs `work` in a process that has processes, mounts and a network (with a loopback) of its own,
// and returns its exit status. Whatever it started, mounted and joined is gone then, however it
// ended. Where that may not be, `work` is called here, with false.
int RunApart(const std::function<int(bool apart)>& work);

// Another host: a network namespace, joined to this process' own by a pair of interfaces.
class OtherHost {
 public:
  static constexpr char kHere[] = "10.231.0.1";

  // Null: there can be none; says why on stderr. `log`: of what holds it.
  static std::unique_ptr<OtherHost> Join(const std::string& log);

  // A program that is run there, with these variables ("NAME=value") beside this process' own.
  std::unique_ptr<Child> Start(const std::vector<std::string>& variables,
                               const std::vector<std::string>& argv, const std::string& log) const;

  // Nothing comes through from now on, and nobody is told; and it does again.
  void Part() const { SetLink("down"); }
  void Mend() const { SetLink("up"); }

 private:
  explicit OtherHost(std::unique_ptr<Child> holder) : holder_(std::move(holder)) {}
  std::vector<std::string> Enter() const;
  void SetLink(const std::string& state) const;

  const std::unique_ptr<Child> holder_;
};

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_NAMESPACES_H_
