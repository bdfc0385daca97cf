// The module noop_cpp: a command that does nothing, to be timed.
#include "outpost/main.h"

#include "outpost/module.h"

namespace {

class NoopModule : public outpost::Module {
 public:
  NoopModule() : Module({.name = "noop_cpp", .version = "0.1.0"}) {
    commands().Add("noop-cpp").Describe("Do nothing").Perm("r").Handle([] {
      return outpost::CommandResult::Ok("");
    });
  }
};

}  // namespace

int main(int argc, char** argv) { return outpost::RunModule<NoopModule>(argc, argv); }
