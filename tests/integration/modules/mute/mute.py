"""A module by hand that attaches, serves, and reads nothing from then on."""

import os
import queue
import threading

import grpc
from outpost.v1 import module_host_pb2, module_host_pb2_grpc

with os.fdopen(int(os.environ["OUTPOST_TOKEN_FD"])) as file:
    token = file.read()
requests: queue.SimpleQueue[module_host_pb2.AttachRequest] = queue.SimpleQueue()
channel = grpc.insecure_channel(os.environ["OUTPOST_ADDRESS"])
stream = module_host_pb2_grpc.ModuleHostStub(channel).Attach(iter(requests.get, None))
requests.put(
    module_host_pb2.AttachRequest(
        register=module_host_pb2.Register(
            name=os.environ["OUTPOST_MODULE"],
            token=token,
            protocol_versions=[1],
            can_run=True,
            max_concurrency=1_000_000,
            commands=[{"signature": "mute"}],
        )
    )
)
assert next(stream).HasField("configure")
requests.put(module_host_pb2.AttachRequest(configured=module_host_pb2.Configured()))
assert next(stream).HasField("serve")
running = module_host_pb2.ServeStatus.STATE_RUNNING
requests.put(module_host_pb2.AttachRequest(serve_status=module_host_pb2.ServeStatus(state=running)))
threading.Event().wait()
