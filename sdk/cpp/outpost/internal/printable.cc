#include "outpost/internal/printable.h"

#include "absl/strings/str_cat.h"

namespace outpost::internal {
namespace {

void AppendEscaped(unsigned char byte, std::string& out) {
  absl::StrAppend(&out, "\\x", absl::Hex(byte, absl::kZeroPad2));
}

}  // namespace

std::string Printable(absl::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) {
      AppendEscaped(byte, printable);
    } else if (byte == 0xc2 && i + 1 < text.size() &&
               static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      AppendEscaped(static_cast<unsigned char>(text[++i]), printable);
    } else {
      printable += text[i];
    }
  }
  return printable;
}

}  // namespace outpost::internal
