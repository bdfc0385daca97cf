// The adaptor of outpost.v1.Ingest. Report is a raw method: a daemon's messages are parsed
// into memory of the thread that reads them, so that a stream which waits holds none. gRPC
// calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_INGEST_SERVICE_H_
#define OUTPOST_SERVER_RPC_INGEST_SERVICE_H_

#include <string>

#include "outpost/v1/ingest.grpc.pb.h"
#include "server/cluster/report/reported_daemons.h"
#include "server/rpc/open_streams.h"

namespace outpost::rpc {

class IngestService final : public v1::Ingest::WithRawCallbackMethod_Report<v1::Ingest::Service>,
                            public WithLimitedStreams {
 public:
  // `daemons` outlives the service. Null: the manager takes no reports, beside `source`.
  IngestService(cluster::report::ReportedDaemons* daemons, std::string source)
      : daemons_(daemons), source_(std::move(source)) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Report(
      grpc::CallbackServerContext* context) override;

 private:
  cluster::report::ReportedDaemons* const daemons_;
  const std::string source_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_INGEST_SERVICE_H_
