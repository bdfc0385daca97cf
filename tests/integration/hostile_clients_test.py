"""Clients that do not keep to the rules: that never read, never write, send garbage, or vanish."""

from __future__ import annotations

import os
import queue
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from fixture import DEADLINE, Manager, error_info, run_tests, until
from outpost.v1 import (
    commands_pb2,
    commands_pb2_grpc,
    ingest_pb2,
    ingest_pb2_grpc,
    key_value_pb2,
    key_value_pb2_grpc,
    manager_pb2,
    manager_pb2_grpc,
    module_host_pb2,
    module_host_pb2_grpc,
    notifications_pb2,
    notifications_pb2_grpc,
)

FLAGS = [
    *("--sim-speed", "0", "--listen-plaintext-tcp", "127.0.0.1:0"),
    *("--slow-reader-timeout", "1", "--first-message-timeout", "0.5", "--dead-peer-timeout", "4"),
    *("--max-streams", "12", "--max-streams-per-peer", "8", "--max-sessions", "2"),
    *("--max-message-mib", "3"),
]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


@pytest.fixture
def manager() -> Iterator[Manager]:
    with Manager(flags=FLAGS) as manager:
        yield manager


def descriptors(manager: Manager) -> int:
    assert manager.process is not None
    return len(os.listdir(f"/proc/{manager.process.pid}/fd"))


def tcp_port(manager: Manager) -> int:
    return int(manager.wait_for_log(r"and tcp ports (\d+)")[1])


def unix_socket(manager: Manager) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(DEADLINE)
    connection.connect(manager.address.removeprefix("unix:"))
    return connection


def read_to_the_end(connection: socket.socket) -> bytes:
    """Read until the manager closes the connection."""
    read = b""
    try:
        while data := connection.recv(1 << 16):
            read += data
    except ConnectionResetError:
        pass
    return read


def channel(manager: Manager) -> grpc.Channel:
    """A connection of its own."""
    return grpc.insecure_channel(manager.address, [("grpc.use_local_subchannel_pool", 1)])


# --- who never reads ---


def test_a_watch_that_is_never_read_is_cut_off(manager: Manager) -> None:
    with channel(manager) as other:
        session = manager.session(name="raw").serve()
        watch = key_value_pb2_grpc.KeyValueStub(other).Watch(
            key_value_pb2.KeyValueWatchRequest(), timeout=DEADLINE, metadata=session.metadata
        )
        watch.initial_metadata()  # it watches
        stub = manager.stub(key_value_pb2_grpc.KeyValueStub)
        for number in range(12):  # more than gRPC's buffers take, less than may wait
            stub.Put(
                key_value_pb2.KeyValuePutRequest(key=f"k{number}", value=b"x" * (1 << 20)),
                metadata=session.metadata,
            )
        line = manager.wait_for_log(r".*has not taken a message of (\S+) for 1s.*")
        assert line[1] == "/outpost.v1.KeyValue/Watch"
        assert "--slow-reader-timeout" in line[0]
        with pytest.raises(grpc.RpcError) as caught:
            for _ in watch:
                pass
        assert caught.value.code() is grpc.StatusCode.CANCELLED
        session.close()


def test_tails_of_the_log_and_subscriptions_that_are_never_read(manager: Manager) -> None:
    with channel(manager) as other:
        tail = manager_pb2_grpc.ManagerStub(other).TailLog(
            manager_pb2.TailLogRequest(follow=True), timeout=3 * DEADLINE
        )
        events = notifications_pb2_grpc.NotificationsStub(other).Subscribe(
            notifications_pb2.SubscribeRequest(types=["clog"]), timeout=3 * DEADLINE
        )
        next(events)  # it has begun
        line = "x" * 60_000
        cut_off: set[str] = set()

        def both() -> bool:
            assert manager.run("log", line).result.retval == 0
            for method in ("Manager/TailLog", "Notifications/Subscribe"):
                if f"has not taken a message of /outpost.v1.{method}" in manager.log():
                    cut_off.add(method)
            return len(cut_off) == 2

        until("both to be cut off", both, 2 * DEADLINE)
        for stream in (tail, events):
            with pytest.raises(grpc.RpcError) as caught:
                for _ in stream:
                    pass
            assert caught.value.code() is grpc.StatusCode.CANCELLED


# --- who never writes ---


@pytest.mark.parametrize(
    "begin",
    [
        lambda channel, requests: module_host_pb2_grpc.ModuleHostStub(channel).Attach(
            requests, timeout=DEADLINE
        ),
        lambda channel, requests: ingest_pb2_grpc.IngestStub(channel).Report(
            requests, timeout=DEADLINE
        ),
    ],
    ids=["session", "reports"],
)
def test_who_begins_a_stream_and_says_nothing_is_told(
    begin: Callable[[grpc.Channel, Iterator[Any]], Any],
) -> None:
    with Manager(flags=["--source", "report", "--first-message-timeout", "0.5"]) as manager:
        silence: queue.Queue[Any] = queue.Queue()
        stream = begin(manager.channel, iter(silence.get, None))
        with pytest.raises(grpc.RpcError) as caught:
            next(stream)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert caught.value.details() == (
            "no first message came within 500ms (--first-message-timeout); begin again"
        )
        assert error_info(caught.value).reason == "SILENT"
        silence.put(None)
        # who has spoken may be silent
        session = manager.session(name="raw").serve()
        time.sleep(0.7)
        assert manager.modules()["raw"].state == manager_pb2.MODULE_STATE_RUNNING
        session.close()


# --- too many ---


def test_too_many_streams_of_one_peer_and_in_all(manager: Manager) -> None:
    def subscribe(metadata: Any = None) -> Any:
        stream = manager.stub(notifications_pb2_grpc.NotificationsStub).Subscribe(
            notifications_pb2.SubscribeRequest(types=["clog"]), timeout=DEADLINE, metadata=metadata
        )
        next(stream)
        return stream

    def refused(metadata: Any = None) -> str:
        with pytest.raises(grpc.RpcError) as caught:
            subscribe(metadata)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert error_info(caught.value).reason == "TOO_MANY_STREAMS"
        return str(caught.value.details())

    mine = [subscribe() for _ in range(8)]
    assert "has 8 streams open already" in refused()
    assert "raise --max-streams-per-peer" in refused()
    session = manager.session(name="raw").serve()
    for _ in range(4):
        mine.append(subscribe(session.metadata))  # another peer
    assert "12 streams are open already" in refused(session.metadata)
    assert "raise --max-streams" in refused(session.metadata)
    manager.check("status")  # calls are not streams
    mine.pop(0).cancel()

    def has_room() -> bool:
        try:
            mine.append(subscribe())
        except grpc.RpcError:
            return False
        return True

    until("room for another", has_room)
    for stream in mine:
        stream.cancel()
    session.close()


def test_too_many_sessions(manager: Manager) -> None:
    sessions = [manager.session(name=f"raw{number}").serve() for number in range(2)]
    error = manager.session(name="raw2").refusal()
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details() == (
        "2 modules have a session already, and no more may: raise --max-sessions"
    )
    sessions.pop().close()

    def attached() -> bool:
        session = manager.session(name="raw3")
        try:
            session.receive()
        except grpc.RpcError:
            return False
        sessions.append(session)
        return True

    until("room for another", attached)
    for session in sessions:
        session.close()


def test_a_message_that_is_too_large(manager: Manager) -> None:
    run = manager.stub(commands_pb2_grpc.CommandsStub).Run
    with pytest.raises(grpc.RpcError) as caught:
        run(commands_pb2.CommandsRunRequest(words=["status"], inbuf=b"x" * (4 << 20)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in caught.value.details()
    assert f"vs. {3 << 20}" in caught.value.details()
    with Manager(flags=["--source", "report", "--max-message-mib", "3"]) as other:
        report = other.stub(ingest_pb2_grpc.IngestStub).Report
        hello = ingest_pb2.IngestHello(
            service_type="a", daemon_id="1", hostname="h", instance="i", protocol_versions=[1]
        )
        welcome = next(report(iter([ingest_pb2.ReportRequest(sequence=1, hello=hello)])))
        assert welcome.welcome.limits.max_message_bytes == 3 << 20
        assert welcome.welcome.limits.max_structure_bytes < 3 << 20


# --- who speaks no HTTP/2, or not to its end ---


def frames() -> Iterator[tuple[str, bytes]]:
    chance = random.Random(7)
    headers = b"\x82\x86\x84\x41\x01a"
    yield "nothing of HTTP/2", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    yield "noise", chance.randbytes(5000)
    yield "the preface, then noise", PREFACE + SETTINGS + chance.randbytes(5000)
    yield "half of the preface", PREFACE[:10]
    yield "a frame of 16 MiB", PREFACE + SETTINGS + b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 1000
    yield "half of a HEADERS frame", PREFACE + SETTINGS + b"\0\1\0\1\4\0\0\0\1" + headers
    yield (
        "HEADERS that do not decode",
        (PREFACE + SETTINGS + struct.pack(">I", 8)[1:] + b"\1\5\0\0\0\1" + b"\xff" * 8),
    )
    yield "DATA of a stream that there is not", PREFACE + SETTINGS + b"\0\0\4\0\1\0\0\0\7data"
    yield "RST_STREAM a thousand times", (PREFACE + SETTINGS + b"\0\0\4\3\0\0\0\0\1\0\0\0\0" * 1000)
    yield "SETTINGS ten thousand times", PREFACE + SETTINGS * 10_000


@pytest.mark.parametrize(("what", "data"), list(frames()), ids=[what for what, _ in frames()])
def test_garbage_on_the_socket_harms_nobody(shared: Manager, what: str, data: bytes) -> None:
    before = descriptors(shared)
    for _ in range(20):
        with unix_socket(shared) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                read_to_the_end(connection)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the manager has closed it first
    shared.check("status")
    until("its descriptors to be free", lambda: descriptors(shared) <= before)


@pytest.fixture(scope="module")
def shared() -> Iterator[Manager]:
    with Manager(flags=FLAGS) as manager:
        manager.check("status")
        assert manager.channel is not None
        manager.modules()  # its own connection is open
        yield manager


def test_methods_that_there_are_not(shared: Manager) -> None:
    for method in ("outpost.v1.Commands/Frobnicate", "outpost.v2.Commands/Run", "a/b", "x"):
        for kind in ("unary_unary", "stream_stream"):
            call = getattr(shared.channel, kind)(f"/{method}", lambda data: data, lambda data: data)
            with pytest.raises(grpc.RpcError) as caught:
                if kind == "unary_unary":
                    call(b"", timeout=DEADLINE)
                else:
                    list(call(iter([b""]), timeout=DEADLINE))
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED, method
    shared.check("status")


def test_messages_that_are_none_end_their_call(shared: Manager) -> None:
    for method in ("outpost.v1.Commands/Run", "outpost.v1.KeyValue/Put"):
        call = shared.channel.unary_unary(f"/{method}", lambda data: data, lambda data: data)
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\xff\xff\xff", timeout=DEADLINE)
        # gRPC's word for a request that does not parse
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED, method
    attach = shared.channel.stream_stream(
        "/outpost.v1.ModuleHost/Attach",
        lambda data: data,
        module_host_pb2.AttachResponse.FromString,
    )
    with pytest.raises((grpc.RpcError, StopIteration)):  # gRPC takes it for the end
        next(attach(iter([b"\xff\xff\xff"]), timeout=DEADLINE))
    shared.check("status")


# --- who is gone without a word ---


@pytest.mark.parametrize("greeting", [b"", PREFACE, PREFACE + SETTINGS], ids=["0", "1", "2"])
def test_a_connection_without_a_sign_of_life_is_closed(manager: Manager, greeting: bytes) -> None:
    """As of a host that lost its power: the connection is there, and nobody answers."""
    before = descriptors(manager)
    with socket.create_connection(("127.0.0.1", tcp_port(manager)), DEADLINE) as connection:
        connection.sendall(greeting)
        begin = time.monotonic()
        read_to_the_end(connection)  # and answers nothing, not the pings either
        assert time.monotonic() - begin < DEADLINE
        until("its descriptor to be free", lambda: descriptors(manager) <= before)


def test_a_client_that_is_idle_and_alive_stays(manager: Manager) -> None:
    """It answers the pings."""
    session = manager.session(name="raw").serve()
    with channel(manager) as other:
        stub = manager_pb2_grpc.ManagerStub(other)
        stub.GetStatus(manager_pb2.GetStatusRequest())
        states = []
        other.subscribe(states.append)
        time.sleep(6)  # longer than --dead-peer-timeout
        stub.GetStatus(manager_pb2.GetStatusRequest())
        assert grpc.ChannelConnectivity.TRANSIENT_FAILURE not in states
        assert grpc.ChannelConnectivity.IDLE not in states[1:]
    assert manager.modules()["raw"].state == manager_pb2.MODULE_STATE_RUNNING
    session.close()


if __name__ == "__main__":
    run_tests(__file__)
