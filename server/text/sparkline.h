// A series as a line of bars: "▁▂▅█".
#ifndef OUTPOST_SERVER_TEXT_SPARKLINE_H_
#define OUTPOST_SERVER_TEXT_SPARKLINE_H_

#include <string>
#include <vector>

namespace outpost::text {

// A bar for each value, from the lowest to the highest of them, in UTF-8; a blank for
// what is no number. Equal values are the lowest bars.
std::string Sparkline(const std::vector<double>& values);

}  // namespace outpost::text

#endif  // OUTPOST_SERVER_TEXT_SPARKLINE_H_
