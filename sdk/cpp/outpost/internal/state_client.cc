#include "outpost/internal/state_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "outpost/internal/manager_stubs.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {

absl::StatusOr<std::optional<std::string>> StateClient::GetOption(std::string key) {
  v1::ConfigGetRequest request;
  request.set_key(std::move(key));
  v1::ConfigGetResponse response;
  absl::Status status =
      CallManager(connection_, &ManagerStubs::config, &v1::Config::Stub::Get, request, &response);
  if (!status.ok()) return status;
  return FromProto(response.option()).value;
}

absl::StatusOr<OptionValues::Update> StateClient::Change(std::string key,
                                                         const std::optional<std::string>& value) {
  if (value) {
    v1::ConfigSetRequest request;
    request.set_key(std::move(key));
    request.set_value(*value);
    v1::ConfigSetResponse response;
    absl::Status status =
        CallManager(connection_, &ManagerStubs::config, &v1::Config::Stub::Set, request, &response);
    if (!status.ok()) return status;
    return FromProto(response.effective());
  }
  v1::ConfigRemoveRequest request;
  request.set_key(std::move(key));
  v1::ConfigRemoveResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::config, &v1::Config::Stub::Remove,
                                    request, &response);
  if (!status.ok()) return status;
  return FromProto(response.option());
}

absl::Status StateClient::SetOption(std::string key, const std::optional<std::string>& value) {
  return Change(std::move(key), value).status();
}

absl::Status StateClient::SetOption(OptionValues& values, absl::string_view name,
                                    const std::optional<std::string>& value, bool localized) {
  const Identity who = connection_.identity();
  const std::string key = localized
                              ? absl::StrCat("mgr/", who.module, "/", who.manager_id, "/", name)
                              : absl::StrCat("mgr/", who.module, "/", name);
  const auto effective = Change(key, value);
  if (!effective.ok()) return effective.status();
  values.ApplyAnswer(who.manager_instance, *effective);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> StateClient::GetClusterOption(absl::string_view entity,
                                                                         absl::string_view name) {
  v1::GetClusterOptionRequest request;
  request.set_entity(std::string(entity));
  request.set_name(std::string(name));
  v1::GetClusterOptionResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::config,
                                    &v1::Config::Stub::GetClusterOption, request, &response);
  if (!status.ok()) return status;
  if (!response.has_value()) return std::optional<std::string>();
  return std::optional<std::string>(response.value());
}

absl::StatusOr<std::optional<std::string>> StateClient::GetStore(absl::string_view key) {
  v1::KeyValueGetRequest request;
  request.set_key(std::string(key));
  v1::KeyValueGetResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::key_value, &v1::KeyValue::Stub::Get,
                                    request, &response);
  if (!status.ok()) return status;
  if (!response.has_value()) return std::optional<std::string>();
  return std::optional<std::string>(std::move(*response.mutable_value()));
}

absl::Status StateClient::SetStore(absl::string_view key, const std::optional<std::string>& value) {
  if (value) {
    v1::KeyValuePutRequest request;
    request.set_key(std::string(key));
    request.set_value(*value);
    v1::KeyValuePutResponse response;
    return CallManager(connection_, &ManagerStubs::key_value, &v1::KeyValue::Stub::Put, request,
                       &response);
  }
  v1::KeyValueDeleteRequest request;
  request.set_key(std::string(key));
  v1::KeyValueDeleteResponse response;
  return CallManager(connection_, &ManagerStubs::key_value, &v1::KeyValue::Stub::Delete, request,
                     &response);
}

absl::StatusOr<std::map<std::string, std::string>> StateClient::GetStorePrefix(
    absl::string_view prefix) {
  v1::KeyValueListRequest request;
  request.set_prefix(std::string(prefix));
  v1::KeyValueListResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::key_value,
                                    &v1::KeyValue::Stub::List, request, &response);
  if (!status.ok()) return status;
  std::map<std::string, std::string> entries;
  for (auto& entry : *response.mutable_entries()) {
    entries.emplace(std::move(*entry.mutable_key()), std::move(*entry.mutable_value()));
  }
  return entries;
}

absl::Status StateClient::Apply(const StoreBatch& batch) {
  v1::KeyValueBatchRequest request;
  for (const auto& [key, value] : batch.conditions()) {
    auto* condition = request.add_conditions();
    condition->set_key(key);
    if (value) condition->set_value(*value);
  }
  for (const auto& [key, value] : batch.changes()) {
    auto* change = request.add_changes();
    change->set_key(key);
    if (value) change->set_value(*value);
  }
  v1::KeyValueBatchResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::key_value,
                                    &v1::KeyValue::Stub::Batch, request, &response);
  if (!status.ok() || response.succeeded()) return status;
  return absl::AbortedError(absl::StrCat("key ", response.failed_key(),
                                         " is not what the batch expects; nothing was changed"));
}

}  // namespace outpost::internal
