#include "modules/hello_cpp/hello_module.h"

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace hello_cpp {

using outpost::CommandContext;
using outpost::CommandResult;

HelloModule::HelloModule() : Module({.name = "hello_cpp", .version = "0.1.0"}) {
  commands()
      .Add("hello-cpp")
      .Describe("Say hello, to a person, or to everybody in a file, one a line")
      .Perm("r")
      .Arg<std::optional<std::string>>("person_name")
      .Handle([this](const CommandContext& context, const std::optional<std::string>& name) {
        return Greet(context, name);
      });
  commands()
      .Add("hello-cpp count")
      .Describe("Count up to a number from 1 to 1000")
      .Perm("r")
      .Arg<int64_t>("num", {.min = 1, .max = 1000})
      .Handle([this](int64_t num) { return Count(num); });
}

absl::Status HelloModule::Serve(outpost::ServeContext& context) {
  log().Info("hello starts");
  context.Wait();
  log().Info("hello ends");
  return absl::OkStatus();
}

void HelloModule::ConfigChanged(const std::vector<std::string>&) {
  log().Info("place is now %s, emphatic is now %s", place_.Get(),
             emphatic_.Get() ? "true" : "false");
}

CommandResult HelloModule::Greet(const CommandContext& context,
                                 const std::optional<std::string>& person_name) const {
  std::vector<std::string> greetings;
  if (person_name && !person_name->empty()) greetings.push_back(Greeting(*person_name));
  if (context.inbuf()) {
    const size_t before = greetings.size();
    for (absl::string_view line : absl::StrSplit(*context.inbuf(), '\n')) {
      line = absl::StripAsciiWhitespace(line);
      if (!line.empty()) greetings.push_back(Greeting(line));
    }
    if (greetings.size() == before) {
      return CommandResult::Error(EINVAL, "hello-cpp: the input file is empty");
    }
  }
  if (greetings.empty()) greetings.push_back(Greeting(place_.Get()));
  return CommandResult::Ok(absl::StrJoin(greetings, "\n"));
}

CommandResult HelloModule::Count(int64_t num) const {
  std::vector<int64_t> numbers;
  for (int64_t n = 1; n <= num; ++n) numbers.push_back(n);
  return CommandResult::Ok(absl::StrJoin(numbers, "\n"));
}

std::string HelloModule::Greeting(absl::string_view whom) const {
  return absl::StrCat("Hello, ", whom, emphatic_.Get() ? "!" : ".");
}

}  // namespace hello_cpp
