// A command's signature of any text, and, behind a line of its own each, words for it: what
// is parsed shows a usage, and takes or refuses the words.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "server/command/signature.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using outpost::command::Signature;
  const std::vector<std::string> lines =
      absl::StrSplit(absl::string_view(reinterpret_cast<const char*>(data), size), '\n');
  const absl::StatusOr<Signature> signature = Signature::Parse(lines[0]);
  if (!signature.ok()) return 0;
  if (signature->prefix().empty()) std::abort();
  if (signature->Usage().find(signature->words()[0]) == std::string::npos) std::abort();
  const auto args = signature->ParseWords({lines.begin() + 1, lines.end()});
  if (args.ok() && !args->is_object()) std::abort();
  return 0;
}
