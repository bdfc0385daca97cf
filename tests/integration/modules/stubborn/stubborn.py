"""A module without an SDK that does not end: it takes no heed of Shutdown and SIGTERM."""

from __future__ import annotations

import os
import queue
import signal

import grpc
from outpost.v1 import module_host_pb2 as pb
from outpost.v1 import module_host_pb2_grpc

signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(int(os.environ["OUTPOST_TOKEN_FD"])) as stream:
    token = stream.read()
requests: queue.SimpleQueue[pb.AttachRequest] = queue.SimpleQueue()
register = pb.Register(
    name=os.environ["OUTPOST_MODULE"], token=token, protocol_versions=[1], can_run=True
)
requests.put(pb.AttachRequest(register=register))
channel = grpc.insecure_channel(os.environ["OUTPOST_ADDRESS"])
for response in module_host_pb2_grpc.ModuleHostStub(channel).Attach(iter(requests.get, None)):
    if response.HasField("configure"):
        requests.put(pb.AttachRequest(configured=pb.Configured()))
    elif response.HasField("serve"):
        running = pb.ServeStatus(state=pb.ServeStatus.STATE_RUNNING)
        requests.put(pb.AttachRequest(serve_status=running))
    elif response.HasField("drain"):
        requests.put(pb.AttachRequest(drained=pb.Drained()))
signal.pause()
