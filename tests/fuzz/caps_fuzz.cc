// Caps of any text: parsed or refused; what was parsed prints to what parses to the same.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "server/auth/caps.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using outpost::auth::Caps;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Caps> caps = Caps::Parse(text);
  if (!caps.ok()) return 0;
  const std::string shown = caps->ToString();
  const absl::StatusOr<Caps> again = Caps::Parse(shown);
  if (!again.ok() || again->ToString() != shown) std::abort();
  const auto argument = [](absl::string_view name) {
    return std::make_optional<std::string>(name.data(), name.size());
  };
  for (const char* address : {"", "10.1.2.3", "fd00::1"}) {
    const outpost::auth::Need need = {.service = "a",
                                      .module = "b",
                                      .command = "",
                                      .access = outpost::auth::kRead,
                                      .argument = argument,
                                      .address = address};
    if (caps->Allow(need) != again->Allow(need)) std::abort();
  }
  return 0;
}
