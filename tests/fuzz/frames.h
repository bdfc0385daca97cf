// Messages of a stream in a fuzzer's input: each has its length before it, of two bytes, the
// lower first. What is left over at the end, and what is no message, is left out.
#ifndef OUTPOST_TESTS_FUZZ_FRAMES_H_
#define OUTPOST_TESTS_FUZZ_FRAMES_H_

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace outpost::fuzz {

template <typename Message>
std::vector<Message> ParseFrames(const uint8_t* data, size_t size) {
  // It would tell of each string that is no UTF-8.
  [[maybe_unused]] static const auto silent = google::protobuf::SetLogHandler(nullptr);
  std::vector<Message> messages;
  while (size >= 2) {
    const size_t length = std::min<size_t>(data[0] | data[1] << 8, size - 2);
    Message message;
    if (message.ParseFromArray(data + 2, static_cast<int>(length))) {
      messages.push_back(std::move(message));
    }
    data += 2 + length;
    size -= 2 + length;
  }
  return messages;
}

}  // namespace outpost::fuzz

#endif  // OUTPOST_TESTS_FUZZ_FRAMES_H_
