#include "outpost/log.h"

#include "outpost/internal/log_buffer.h"

namespace outpost {

bool Logger::Enabled(LogLevel level) const { return level >= buffer_->level(); }

void Logger::Write(LogLevel level, absl::string_view text) const {
  if (Enabled(level)) buffer_->Append(level, name_, text);
}

}  // namespace outpost
