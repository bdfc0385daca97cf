// The version of Outpost: of the manager, the command line and this SDK, which are released
// together.
#ifndef OUTPOST_SDK_CPP_OUTPOST_VERSION_H_
#define OUTPOST_SDK_CPP_OUTPOST_VERSION_H_

namespace outpost {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_VERSION_H_
