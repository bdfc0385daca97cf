#include "server/rpc/future_services.h"

namespace outpost::rpc {
namespace {

class NotYetReport final : public grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse> {
 public:
  NotYetReport() {
    Finish(NotYet("the reports of daemons: metadata, counters, status, health metrics"));
  }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse>* FutureIngestService::Report(
    grpc::CallbackServerContext*) {
  return new NotYetReport;
}

}  // namespace outpost::rpc
