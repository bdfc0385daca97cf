#include "cli/watch_events.h"

#include <errno.h>

#include <algorithm>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/follow.h"
#include "nlohmann/json.hpp"
#include "outpost/internal/event_text.h"
#include "outpost/internal/printable.h"

namespace outpost::cli {
namespace {

constexpr uint32_t kOldEvents = 20;
constexpr char kUsage[] = "module events [NAME] [--last N] [--detail] [--follow]";

// What the words after `events` ask for.
std::optional<Failure> Parse(const std::vector<std::string>& words, v1::TailEventsRequest* request,
                             bool* detail) {
  for (size_t i = 0; i < words.size(); ++i) {
    absl::string_view word = words[i];
    if (word == "--follow") continue;
    if (word == "--detail") {
      *detail = true;
      continue;
    }
    if (word == "--last" && i + 1 < words.size()) {
      word = words[++i];
    } else if (!absl::ConsumePrefix(&word, "--last=")) {
      if (!request->module().empty() || absl::StartsWith(word, "-")) {
        return ErrnoFailure(
            EINVAL, absl::StrCat("module events: unused argument \"", word, "\"; ", kUsage));
      }
      request->set_module(words[i]);
      continue;
    }
    uint32_t last = 0;
    if (!absl::SimpleAtoi(word, &last)) {
      return ErrnoFailure(EINVAL, absl::StrCat("module events: --last: \"", word,
                                               "\" is not a number of events; ", kUsage));
    }
    request->set_last(last);
  }
  return std::nullopt;
}

std::string JsonLine(const v1::TailEventsResponse& event) {
  return internal::EventJson(event).dump(-1, ' ', false,
                                         nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

bool IsFollowingEvents(const std::vector<std::string>& words) {
  const size_t at = !words.empty() && words[0] == "mgr" ? 1 : 0;
  return words.size() > at + 1 && words[at] == "module" && words[at + 1] == "events" &&
         std::count(words.begin(), words.end(), "--follow") > 0;
}

std::optional<Failure> FollowEvents(const Arguments& arguments, Client* client,
                                    Interrupt* interrupt, Output* output) {
  bool json = false;
  bool detail = false;
  if (auto failure = StreamFormat(arguments, &json)) return failure;
  v1::TailEventsRequest request;
  request.set_follow(true);
  request.set_last(kOldEvents);
  const std::vector<std::string>& words = arguments.words;
  if (auto failure = Parse({std::find(words.begin(), words.end(), "events") + 1, words.end()},
                           &request, &detail)) {
    return failure;
  }
  return Follow(arguments, client, interrupt, [&](const std::function<void()>& answered) {
    return client->TailEvents(request, [&](const v1::TailEventsResponse* event) {
      answered();
      if (event == nullptr) return std::optional<Failure>();
      // After a break, those that come after this one.
      request.clear_last();
      request.set_after(event->sequence());
      return output->Write(absl::StrCat(
          json ? JsonLine(*event) : internal::Printable(internal::EventText(*event, detail)),
          "\n"));
    });
  });
}

}  // namespace outpost::cli
