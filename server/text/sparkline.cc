#include "server/text/sparkline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace outpost::text {

std::string Sparkline(const std::vector<double>& values) {
  constexpr std::array<const char*, 8> kBars = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -lowest;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  std::string line;
  for (const double value : values) {
    if (!std::isfinite(value)) {
      line += " ";
      continue;
    }
    const double part = highest > lowest ? (value - lowest) / (highest - lowest) : 0;
    line += kBars[std::min(kBars.size() - 1, static_cast<size_t>(part * kBars.size()))];
  }
  return line;
}

}  // namespace outpost::text
