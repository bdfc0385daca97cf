#include "outpost/internal/wire.h"

#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "outpost/internal/utf8.h"
#include "outpost/v1/error_details.pb.h"

namespace outpost::internal {
namespace {

std::optional<v1::ErrorInfo> ErrorInfoOf(const grpc::Status& status) {
  v1::RpcStatus details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) {
    return std::nullopt;
  }
  for (const google::protobuf::Any& detail : details.details()) {
    v1::ErrorInfo info;
    // The type URL is google.rpc.ErrorInfo's; the fields are the same.
    if (detail.type_url() == "type.googleapis.com/google.rpc.ErrorInfo" &&
        info.ParseFromString(detail.value())) {
      return info;
    }
  }
  return std::nullopt;
}

}  // namespace

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  if (const auto info = ErrorInfoOf(status)) {
    result = WithReason(std::move(result), info->reason());
    const auto it = info->metadata().find("errno");
    int value = 0;
    if (it != info->metadata().end() && absl::SimpleAtoi(it->second, &value) && value > 0) {
      result = WithErrno(std::move(result), value);
    }
  }
  return result;
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration result;
  result.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  result.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return result;
}

CommandResult FromProto(const v1::CommandResult& result) {
  return CommandResult(result.retval(),
                       result.stdout_bytes().empty() ? result.stdout() : result.stdout_bytes(),
                       result.stderr());
}

v1::CommandResult ToProto(CommandResult result) {
  v1::CommandResult message;
  message.set_retval(result.retval);
  if (IsUtf8(result.out)) {
    message.set_stdout(std::move(result.out));
  } else {
    message.set_stdout_bytes(std::move(result.out));
  }
  message.set_stderr(ToUtf8(result.err));
  return message;
}

Daemon FromProto(const v1::DaemonName& daemon) { return {daemon.type(), daemon.id()}; }

v1::DaemonName ToProto(const Daemon& daemon) {
  v1::DaemonName message;
  message.set_type(daemon.type);
  message.set_id(daemon.id);
  return message;
}

v1::SendClusterCommandRequest ToProto(const ClusterCommand& command) {
  v1::SendClusterCommandRequest message;
  message.set_service_type(command.service_type);
  message.set_service_id(command.service_id);
  message.set_command_json(command.command.dump(-1, ' ', false, Json::error_handler_t::replace));
  message.set_inbuf(command.inbuf);
  message.set_tag(command.tag);
  *message.mutable_timeout() = ToProto(command.timeout);
  return message;
}

Server FromProto(const v1::ServerInfo& server) {
  Server result{server.hostname(), server.version(), {}};
  for (const auto& daemon : server.services()) result.daemons.push_back(FromProto(daemon));
  return result;
}

CounterSeries FromProto(const v1::CounterSeries& series) {
  CounterSeries result{FromProto(series.daemon()), series.path(), {}};
  for (const auto& sample : series.samples()) {
    CounterSample& added = result.samples.emplace_back();
    added.time = FromProto(sample.time());
    added.value = sample.value();
    if (sample.has_count()) added.count = sample.count();
  }
  return result;
}

v1::OptionDescriptor ToProto(const OptionDeclaration& d) {
  v1::OptionDescriptor message;
  message.set_name(d.name);
  message.set_type(static_cast<v1::OptionType>(d.type));
  message.set_level(static_cast<v1::OptionLevel>(d.level));
  message.set_description(d.description);
  message.set_long_description(d.long_description);
  if (d.default_value) message.set_default_value(*d.default_value);
  if (d.min) message.set_min(*d.min);
  if (d.max) message.set_max(*d.max);
  message.mutable_enum_allowed()->Assign(d.choices.begin(), d.choices.end());
  message.mutable_tags()->Assign(d.tags.begin(), d.tags.end());
  message.mutable_see_also()->Assign(d.see_also.begin(), d.see_also.end());
  message.set_runtime(d.runtime);
  message.set_secret(d.secret);
  return message;
}

OptionValues::Update FromProto(const v1::OptionValue& option) {
  std::optional<std::string> value;
  if (option.has_value()) value = option.value();
  return {option.name(), std::move(value), option.revision()};
}

std::vector<OptionValues::Update> FromProto(
    const google::protobuf::RepeatedPtrField<v1::OptionValue>& options) {
  std::vector<OptionValues::Update> updates;
  for (const v1::OptionValue& option : options) updates.push_back(FromProto(option));
  return updates;
}

v1::HealthCheck ToProto(const HealthCheck& check) {
  v1::HealthCheck message;
  message.set_code(check.code);
  message.set_severity(check.severity == Severity::kError ? v1::SEVERITY_ERROR
                                                          : v1::SEVERITY_WARNING);
  message.set_summary(ToUtf8(check.summary));
  message.set_count(check.count);
  for (const std::string& line : check.detail) message.add_detail(ToUtf8(line));
  return message;
}

RemoteFailure FromProto(const v1::RemoteError& error) {
  return {error.kind(), error.type(), error.message(), error.traceback()};
}

}  // namespace outpost::internal
