// What libprotobuf and gRPC have to say, in the manager's log: of strangers' input they tell as
// often as it comes, and would fill a disk with it by stderr.
//
// **Thread safety.** Call it once, before other threads start.
#ifndef OUTPOST_SERVER_LOG_LIBRARY_LOG_H_
#define OUTPOST_SERVER_LOG_LIBRARY_LOG_H_

namespace outpost::log {

// From here on their lines go to the component "rpc": kLibraryLines of each library at once, then
// one a second, which says how many were left out before it.
inline constexpr int kLibraryLines = 20;
void CaptureLibraryLogs();

}  // namespace outpost::log

#endif  // OUTPOST_SERVER_LOG_LIBRARY_LOG_H_
