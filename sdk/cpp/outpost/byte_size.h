// ByteSize is a number of bytes, as an option or an argument: there "4K" is 4096.
#ifndef OUTPOST_SDK_CPP_OUTPOST_BYTE_SIZE_H_
#define OUTPOST_SDK_CPP_OUTPOST_BYTE_SIZE_H_

#include <cstdint>

namespace outpost {

struct ByteSize {
  uint64_t bytes = 0;
  friend bool operator==(const ByteSize&, const ByteSize&) = default;
  friend auto operator<=>(const ByteSize&, const ByteSize&) = default;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_BYTE_SIZE_H_
