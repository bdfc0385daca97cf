#include "server/rpc/status.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "outpost/internal/status_errno.h"
#include "outpost/v1/error_details.pb.h"

namespace outpost::rpc {

grpc::Status ToGrpc(const absl::Status& status, absl::string_view reason,
                    std::map<std::string, std::string> metadata) {
  if (status.ok()) return grpc::Status::OK;
  v1::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain("outpost");
  metadata.emplace("errno", absl::StrCat(internal::ErrnoOf(status.code())));
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  v1::RpcStatus details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(std::string(status.message()));
  google::protobuf::Any& any = *details.add_details();
  any.set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  info.SerializeToString(any.mutable_value());
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), details.message(),
                      details.SerializeAsString());
}

int ErrnoOf(const grpc::Status& status) {
  if (status.ok()) return 0;
  v1::RpcStatus details;
  if (details.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& any : details.details()) {
      v1::ErrorInfo info;
      int number = 0;
      if (!info.ParseFromString(any.value())) continue;
      const auto named = info.metadata().find("errno");
      if (named != info.metadata().end() && absl::SimpleAtoi(named->second, &number)) return number;
    }
  }
  return internal::ErrnoOf(static_cast<absl::StatusCode>(status.error_code()));
}

grpc::Status NotYet(absl::string_view words) {
  return ToGrpc(absl::UnimplementedError(absl::StrCat("not yet in this manager: ", words)),
                "NOT_IMPLEMENTED");
}

}  // namespace outpost::rpc
