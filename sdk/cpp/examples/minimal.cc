// The smallest module that does something: one command, one option.
//
//     bazel run //sdk/cpp:minimal -- --address unix:/run/outpost/outpost.sock
//     outpost greet Joe
#include <optional>
#include <string>

#include "outpost/main.h"
#include "outpost/module.h"

class Greeter : public outpost::Module {
 public:
  Greeter() : Module({.name = "greeter"}) {
    commands()
        .Add("greet")
        .Describe("Greet somebody")
        .Arg<std::optional<std::string>>("who", {.goodchars = "[A-Za-z ]"})
        .Handle([this](const std::optional<std::string>& who) {
          return outpost::CommandResult::Ok("Hello, " + who.value_or(place_.Get()) + "!");
        });
  }

 private:
  outpost::Option<std::string> place_ =
      options().Add<std::string>("place", "world", "Whom to greet when nobody is named");
};

int main(int argc, char** argv) { return outpost::RunModule<Greeter>(argc, argv); }
