// Services of the wire contract that this manager does not have yet: they are
// there for clients to find, and answer UNIMPLEMENTED with words on what will be
// there. gRPC calls them from its own threads.
#ifndef OUTPOST_SERVER_RPC_FUTURE_SERVICES_H_
#define OUTPOST_SERVER_RPC_FUTURE_SERVICES_H_

#include "outpost/v1/orchestrator.grpc.pb.h"
#include "server/rpc/finish.h"
#include "server/rpc/refused_stream.h"

namespace outpost::rpc {

// Of the typed orchestrator interface.
class FutureOrchestratorService final : public v1::Orchestrator::CallbackService {
 public:
#define OUTPOST_NOT_YET(Method)                                                                  \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext* context,                         \
                                   const v1::Method##Request*, v1::Method##Response*) override { \
    return FinishNow(context, NotYet(kWords));                                                   \
  }
#define OUTPOST_NOT_YET_STREAM(Method)                                                          \
  grpc::ServerWriteReactor<v1::Method##Response>* Method(grpc::CallbackServerContext*,          \
                                                         const v1::Method##Request*) override { \
    return new RefusedStream<v1::Method##Response>(NotYet(kWords));                             \
  }
  OUTPOST_NOT_YET(GetOrchestratorStatus)
  OUTPOST_NOT_YET(ListOrchestratorFeatures)
  OUTPOST_NOT_YET(ListOrchestratorBackends)
  OUTPOST_NOT_YET(PauseOrchestrator)
  OUTPOST_NOT_YET(ResumeOrchestrator)
  OUTPOST_NOT_YET(CancelCompletions)
  OUTPOST_NOT_YET(AddHost)
  OUTPOST_NOT_YET(RemoveHost)
  OUTPOST_NOT_YET(ListHosts)
  OUTPOST_NOT_YET(UpdateHostAddress)
  OUTPOST_NOT_YET(AddHostLabel)
  OUTPOST_NOT_YET(RemoveHostLabel)
  OUTPOST_NOT_YET(DrainHost)
  OUTPOST_NOT_YET(CheckHostOkToStop)
  OUTPOST_NOT_YET(EnterHostMaintenance)
  OUTPOST_NOT_YET(ExitHostMaintenance)
  OUTPOST_NOT_YET(RescanHost)
  OUTPOST_NOT_YET_STREAM(ListHostFacts)
  OUTPOST_NOT_YET_STREAM(ListInventory)
  OUTPOST_NOT_YET(SetDeviceLights)
  OUTPOST_NOT_YET(ZapDevice)
  OUTPOST_NOT_YET_STREAM(ApplySpecs)
  OUTPOST_NOT_YET(PlanSpecs)
  OUTPOST_NOT_YET(DescribeServices)
  OUTPOST_NOT_YET(RemoveService)
  OUTPOST_NOT_YET(PerformServiceAction)
  OUTPOST_NOT_YET(SetServiceUnmanaged)
  OUTPOST_NOT_YET_STREAM(ListDaemons)
  OUTPOST_NOT_YET(AddDaemons)
  OUTPOST_NOT_YET(RemoveDaemons)
  OUTPOST_NOT_YET(PerformDaemonAction)
  OUTPOST_NOT_YET(CreateOsds)
  OUTPOST_NOT_YET(PreviewOsds)
  OUTPOST_NOT_YET(RemoveOsds)
  OUTPOST_NOT_YET(StopRemoveOsds)
  OUTPOST_NOT_YET(ListOsdRemovals)
  OUTPOST_NOT_YET(CheckUpgrade)
  OUTPOST_NOT_YET(ListUpgradeImages)
  OUTPOST_NOT_YET(ListUpgradeVersions)
  OUTPOST_NOT_YET(StartUpgrade)
  OUTPOST_NOT_YET(PauseUpgrade)
  OUTPOST_NOT_YET(ResumeUpgrade)
  OUTPOST_NOT_YET(StopUpgrade)
  OUTPOST_NOT_YET(GetUpgradeStatus)
#undef OUTPOST_NOT_YET
#undef OUTPOST_NOT_YET_STREAM

 private:
  static constexpr char kWords[] =
      "the typed orchestrator interface, answered by the module that an operator chose as backend";
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_FUTURE_SERVICES_H_
