#include "cli/follow.h"

#include <errno.h>

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace outpost::cli {
namespace {

constexpr absl::Duration kTryAgain = absl::Milliseconds(500);

bool CameAndWent(const Failure& failure) {
  return failure.exit_status == ECONNRESET || failure.exit_status == ECONNREFUSED ||
         failure.exit_status == EAGAIN;
}

}  // namespace

std::optional<Failure> StreamFormat(const Arguments& arguments, bool* json) {
  *json = absl::StartsWith(arguments.format, "json");
  if (*json || arguments.format.empty() || arguments.format == "plain") return std::nullopt;
  return ErrnoFailure(EINVAL, absl::StrCat("no ", arguments.format,
                                           " is made of a stream; use --format plain or json"));
}

std::optional<Failure> Follow(
    const Arguments& arguments, Client* client, Interrupt* interrupt,
    const std::function<Failure(const std::function<void()>& answered)>& read) {
  bool connected = false;
  bool away = false;
  bool restarted = false;
  const auto answered = [&] {
    if (away) absl::FPrintF(stderr, "the manager at %s is there again\n", arguments.address);
    connected = true;
    away = false;
  };
  for (;;) {
    const Failure end = read(answered);
    if (interrupt->signal() != 0) return std::nullopt;
    // A new manager knows a module that was started by hand when that has attached again.
    const bool comes_back = restarted && end.exit_status == ENOENT;
    // It was too slow to read, or may not any more: whoever asks again hears which.
    const bool cut_off = end.exit_status == ECANCELED;
    if (!connected || !(comes_back || cut_off || CameAndWent(end))) return end;
    if (cut_off) {
      absl::FPrintF(stderr, "the manager at %s has ended the stream; asking again\n",
                    arguments.address);
    } else if (!away && !comes_back) {
      absl::FPrintF(stderr, "the manager at %s went away; waiting for it\n", arguments.address);
    }
    away = away || !(comes_back || cut_off);
    restarted = true;
    interrupt->WaitFor(kTryAgain);
    if (interrupt->signal() != 0) return std::nullopt;
    client->Reconnect();
  }
}

}  // namespace outpost::cli
