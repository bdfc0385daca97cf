#include "server/rpc/audited_calls.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/event/moment.h"
#include "server/rpc/rights.h"
#include "server/rpc/status.h"

namespace outpost::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using grpc::experimental::InterceptionHookPoints;
using nlohmann::json;

constexpr char kSendCommand[] = "outpost.v1.Commands.SendClusterCommand";

// Fields that are told, wherever they are; no field of these names holds a value.
constexpr absl::string_view kTold[] = {
    "addr",  "changes",    "code",         "daemon_name",  "force",  "hostname",  "key", "label",
    "light", "manager_id", "method",       "module",       "name",   "names",     "on",  "osd_ids",
    "path",  "service_id", "service_name", "service_type", "sticky", "unmanaged",
};

json TextOf(const Message& message, const FieldDescriptor& field, int index, bool* hides);

json Told(const Message& message, bool* hides) {
  json told = json::object();
  std::vector<const FieldDescriptor*> set;
  message.GetReflection()->ListFields(message, &set);
  for (const FieldDescriptor* field : set) {
    if (std::find(std::begin(kTold), std::end(kTold), field->name()) == std::end(kTold)) {
      *hides = true;
      continue;
    }
    if (!field->is_repeated()) {
      told[field->name()] = TextOf(message, *field, -1, hides);
      continue;
    }
    json& list = told[field->name()] = json::array();
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
      list.push_back(TextOf(message, *field, i, hides));
    }
  }
  return told;
}

// `index`: of one of many; -1: there is one.
json TextOf(const Message& message, const FieldDescriptor& field, int index, bool* hides) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return index < 0 ? reflection.GetString(message, &field)
                       : reflection.GetRepeatedString(message, &field, index);
    case FieldDescriptor::CPPTYPE_BOOL:
      return index < 0 ? reflection.GetBool(message, &field)
                       : reflection.GetRepeatedBool(message, &field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return (index < 0 ? reflection.GetEnum(message, &field)
                        : reflection.GetRepeatedEnum(message, &field, index))
          ->name();
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Told(index < 0 ? reflection.GetMessage(message, &field)
                            : reflection.GetRepeatedMessage(message, &field, index),
                  hides);
    default:
      return nullptr;
  }
}

// Sees the end of one call.
class End final : public grpc::experimental::Interceptor {
 public:
  End(auth::AuditLog* audit, grpc::experimental::ServerRpcInfo* info)
      : audit_(audit), info_(info) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* batch) override {
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      auto* const call = dynamic_cast<CallContext*>(info_->server_context());
      if (call != nullptr && call->audit != nullptr) Write(batch->GetSendStatus(), *call->audit);
    }
    batch->Proceed();
  }

 private:
  void Write(const grpc::Status& status, auth::AuditRecord& line) const {
    if (!status.ok()) {
      line.result = -ErrnoOf(status);
      line.error = status.error_message();
    }
    line.took = event::Moment::Now() - line.began;
    audit_->Write(line);
  }

  auth::AuditLog* const audit_;
  grpc::experimental::ServerRpcInfo* const info_;
};

}  // namespace

CallSubject SubjectOfCall(absl::string_view method, absl::string_view request_bytes) {
  CallSubject subject;
  const auto* const described =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(std::string(method));
  if (described == nullptr) return subject;
  const std::unique_ptr<Message> request(google::protobuf::MessageFactory::generated_factory()
                                             ->GetPrototype(described->input_type())
                                             ->New());
  if (!request->ParseFromArray(request_bytes.data(), static_cast<int>(request_bytes.size()))) {
    return subject;
  }
  subject.arguments = Told(*request, &subject.hides);
  if (method == kSendCommand) {
    const auto* const command = request->GetDescriptor()->FindFieldByName("command_json");
    subject.arguments["prefix"] =
        PrefixInJson(request->GetReflection()->GetString(*request, command));
  }
  if (subject.arguments.empty()) subject.arguments = nullptr;
  return subject;
}

auth::AuditRecord AuditLineOf(const Caller& caller) {
  auth::AuditRecord line;
  line.began = event::Moment::Now();
  line.who = caller.name;
  if (line.who.empty() && caller.peer != nullptr) line.who = caller.peer->name;
  line.from = caller.from;
  return line;
}

void SetRefused(const absl::Status& why, auth::AuditRecord* line) {
  line->result = -EACCES;
  line->error = std::string(why.message());
  line->refused = true;
}

AuditedCalls::AuditedCalls(auth::AuditLog* audit) : audit_(audit) {
  for (const absl::string_view method : MethodsThatChange()) {
    const size_t dot = method.rfind('.');
    paths_.insert(absl::StrCat("/", method.substr(0, dot), "/", method.substr(dot + 1)));
  }
}

grpc::experimental::Interceptor* AuditedCalls::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  if (info->type() != grpc::experimental::ServerRpcInfo::Type::UNARY ||
      !paths_.contains(info->method())) {
    return nullptr;
  }
  return new End(audit_, info);  // gRPC's
}

}  // namespace outpost::rpc
