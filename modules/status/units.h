// Numbers as short texts of a fixed width, as Ceph's status commands print them:
// "  12k", "1.50G".
//
// **Thread safety.** Pure functions.
#ifndef OUTPOST_MODULES_STATUS_UNITS_H_
#define OUTPOST_MODULES_STATUS_UNITS_H_

#include <cstdint>
#include <string>

namespace status {

// Five characters, the last of which is a unit (or a space): steps of 1000.
std::string FormatCount(int64_t n);

// The same in steps of 1024.
std::string FormatBytes(int64_t n);

}  // namespace status

#endif  // OUTPOST_MODULES_STATUS_UNITS_H_
