#include "server/log/library_log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/internal/utf8.h"
#include "server/event/moment.h"
#include "server/log/log.h"
#include "server/log/rate_limit.h"

namespace outpost::log {
namespace {

class Library {
 public:
  explicit Library(absl::string_view name) : name_(name) {}

  void Write(spdlog::level::level_enum level, absl::string_view text) {
    uint64_t left_out = 0;
    {
      absl::MutexLock lock(&mu_);
      if (!limit_.Take(event::Moment::Now().steady)) return;
      left_out = limit_.TakeRefused();
    }
    Get("rpc").log(level, "{}: {}{}", name_, internal::ToUtf8(text),
                   left_out == 0 ? "" : absl::StrCat(" (", left_out, " lines were left out)"));
  }

 private:
  const std::string name_;
  absl::Mutex mu_;
  RateLimit limit_ ABSL_GUARDED_BY(mu_){kLibraryLines, 1};
};

void WriteProtobuf(google::protobuf::LogLevel level, const char* /*file*/, int /*line*/,
                   const std::string& text) {
  static auto* const library = new Library("libprotobuf");
  // What it calls an error is the other side's. After the last level it ends the program.
  library->Write(
      level == google::protobuf::LOGLEVEL_FATAL ? spdlog::level::critical : spdlog::level::warn,
      text);
}

void WriteGrpc(gpr_log_func_args* said) {
  static auto* const library = new Library("gRPC");
  library->Write(said->severity == GPR_LOG_SEVERITY_DEBUG  ? spdlog::level::debug
                 : said->severity == GPR_LOG_SEVERITY_INFO ? spdlog::level::info
                                                           : spdlog::level::warn,
                 said->message);
}

}  // namespace

void CaptureLibraryLogs() {
  google::protobuf::SetLogHandler(&WriteProtobuf);
  gpr_set_log_function(&WriteGrpc);
}

}  // namespace outpost::log
