// The module hello_cpp says hello: every part of a module at its smallest. Its
// commands, options and log lines are those of the module hello, in C++.
//
// **Thread safety.** As outpost::Module says.
#ifndef OUTPOST_MODULES_HELLO_CPP_HELLO_MODULE_H_
#define OUTPOST_MODULES_HELLO_CPP_HELLO_MODULE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "outpost/module.h"

namespace hello_cpp {

class HelloModule : public outpost::Module {
 public:
  HelloModule();

  absl::Status Serve(outpost::ServeContext& context) override;
  void ConfigChanged(const std::vector<std::string>& names) override;

 private:
  outpost::CommandResult Greet(const outpost::CommandContext& context,
                               const std::optional<std::string>& person_name) const;
  outpost::CommandResult Count(int64_t num) const;
  std::string Greeting(absl::string_view whom) const;

  const outpost::Option<std::string> place_ =
      options().Add<std::string>("place", "world", "a place in the world");
  const outpost::Option<bool> emphatic_ =
      options().Add<bool>("emphatic", true, "whether to say it loudly");
};

}  // namespace hello_cpp

#endif  // OUTPOST_MODULES_HELLO_CPP_HELLO_MODULE_H_
