#include "server/auth/revoked_list.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "server/auth/private_file.h"

namespace outpost::auth {
namespace {

constexpr size_t kDigits = 64;
constexpr size_t kShown = 80;  // bytes of a line that is none

bool IsFingerprint(const std::string& word) {
  return word.size() == kDigits && std::all_of(word.begin(), word.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c));
         });
}

}  // namespace

absl::StatusOr<RevokedList> ReadRevokedList(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxRevokedList);
  if (!text.ok()) return text.status();
  RevokedList list;
  size_t number = 0;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++number;
    const absl::string_view words = absl::StripAsciiWhitespace(line);
    const absl::string_view first = words.substr(0, words.find_first_of(" \t#"));
    if (first.empty()) continue;
    std::string fingerprint = absl::StrReplaceAll(absl::AsciiStrToLower(first), {{":", ""}});
    if (IsFingerprint(fingerprint)) {
      list.fingerprints.insert(std::move(fingerprint));
    } else if (list.problem.ok()) {
      list.problem = absl::InvalidArgumentError(absl::StrCat(
          path, ", line ", number, ": \"", first.substr(0, kShown),
          "\" is not the SHA-256 of a certificate, of ", kDigits,
          " hexadecimal digits (openssl x509 -noout -fingerprint -sha256 -in tls.crt)"));
    }
  }
  return list;
}

}  // namespace outpost::auth
