#include "cli/watch_audit.h"

#include <errno.h>

#include <algorithm>
#include <functional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/follow.h"
#include "outpost/internal/audit_text.h"
#include "outpost/internal/printable.h"

namespace outpost::cli {
namespace {

constexpr uint32_t kOldEntries = 20;

}  // namespace

bool IsFollowingAudit(const std::vector<std::string>& words) {
  return !words.empty() && words[0] == "audit" &&
         std::count(words.begin(), words.end(), "--follow") > 0;
}

std::optional<Failure> FollowAudit(const Arguments& arguments, Client* client, Interrupt* interrupt,
                                   Output* output) {
  bool json = false;
  if (auto failure = StreamFormat(arguments, &json)) return failure;
  v1::TailAuditRequest request;
  request.set_follow(true);
  request.set_last(kOldEntries);
  const std::vector<std::string>& words = arguments.words;
  for (size_t i = 1; i < words.size(); ++i) {
    absl::string_view word = words[i];
    if (word == "--follow") continue;
    if (word == "--last" && i + 1 < words.size()) {
      word = words[++i];
    } else {
      absl::ConsumePrefix(&word, "--last=");
    }
    uint32_t last = 0;
    if (!absl::SimpleAtoi(word, &last)) {
      return ErrnoFailure(EINVAL, absl::StrCat("audit: \"", words[i],
                                               "\" is not a number of entries; audit [--last N] "
                                               "[--follow]"));
    }
    request.set_last(last);
  }
  return Follow(arguments, client, interrupt, [&](const std::function<void()>& answered) {
    return client->TailAudit(request, [&](const v1::TailAuditResponse* entry) {
      answered();
      if (entry == nullptr) return std::optional<Failure>();
      // After a break, those that come after this one.
      request.clear_last();
      request.set_after(entry->number());
      return output->Write(
          absl::StrCat(json ? entry->entry_json()
                            : internal::Printable(internal::AuditText(entry->entry_json())),
                       "\n"));
    });
  });
}

}  // namespace outpost::cli
