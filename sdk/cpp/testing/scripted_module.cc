// A module for process_test.cc: it ends, or does not, as SCRIPT says.
#include <cstdlib>
#include <string>

#include "outpost/main.h"

namespace {

std::string Script() {
  const char* script = std::getenv("SCRIPT");
  return script == nullptr ? "" : script;
}

class Scripted : public outpost::Module {
 public:
  Scripted() : Module({.name = "scripted"}) {}

  absl::Status Serve(outpost::ServeContext& context) override {
    log().Info("scripted serves");
    if (Script() == "stuck") never_.Wait();
    context.Wait();
    return absl::OkStatus();
  }

 private:
  outpost::ServeContext never_;
};

}  // namespace

int main(int argc, char** argv) { return outpost::RunModule<Scripted>(argc, argv); }
