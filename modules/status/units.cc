#include "modules/status/units.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace status {
namespace {

constexpr size_t kDigits = 4;  // beside the unit
constexpr char kUnits[] = {' ', 'k', 'M', 'G', 'T', 'P', 'E'};

std::string Format(int64_t n, int64_t factor) {
  size_t unit = 0;
  for (int64_t whole = n; unit + 1 < sizeof kUnits && absl::StrCat(whole).size() > kDigits;
       whole /= factor) {
    ++unit;
  }
  if (unit == 0) return absl::StrFormat("%*d ", static_cast<int>(kDigits), n);
  const double scaled = static_cast<double>(n) / std::pow(factor, unit);
  std::string text = absl::StrFormat("%f", scaled).substr(0, kDigits);
  if (text.back() == '.') text = absl::StrCat(" ", text.substr(0, kDigits - 1));
  return text + kUnits[unit];
}

}  // namespace

std::string FormatCount(int64_t n) { return Format(n, 1000); }
std::string FormatBytes(int64_t n) { return Format(n, 1024); }

}  // namespace status
