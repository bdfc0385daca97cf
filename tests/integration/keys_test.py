"""The keys of modules as operators and other programs meet them: `outpost config-key …`,
KeyValue.Batch, KeyValue.Watch."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from fixture import DEADLINE, Manager, error_info, run_tests
from outpost.v1 import key_value_pb2, key_value_pb2_grpc

_ALL_BYTES = bytes(range(256))


@pytest.fixture(scope="module")
def running() -> Iterator[Manager]:
    with Manager("probe", installed=["hello"], flags=["--sim-speed", "0"]) as manager:
        yield manager


@pytest.fixture
def manager(running: Manager) -> Iterator[Manager]:
    """A manager without keys."""
    yield running
    for key in listed(running):
        running.check("config-key", "rm", key)


def listed(manager: Manager) -> list[str]:
    keys: list[str] = json.loads(manager.check("config-key", "ls"))
    return keys


def stub(manager: Manager) -> key_value_pb2_grpc.KeyValueStub:
    return manager.stub(key_value_pb2_grpc.KeyValueStub)


# --- the command line ---


def test_set_get_exists_rm(manager: Manager) -> None:
    key = "mgr/probe/some/key"
    assert manager.outpost("config-key", "set", key, "value") == (0, "", f"set {key}\n")
    assert manager.outpost("config-key", "get", key) == (0, "value\n", "")
    assert manager.outpost("config-key", "exists", key) == (0, "", f"key '{key}' exists\n")
    assert manager.call("probe", "get_store", "some/key") == "value"
    assert listed(manager) == [key]
    assert manager.outpost("config-key", "rm", key) == (0, "", "key deleted\n")
    assert manager.outpost("config-key", "rm", key) == (0, "", f"no such key '{key}'\n")
    assert manager.outpost("config-key", "del", key) == (0, "", f"no such key '{key}'\n")
    assert manager.outpost("config-key", "get", key) == (
        errno.ENOENT,
        "",
        f"Error ENOENT: error obtaining '{key}': (2) No such file or directory\n",
    )
    assert manager.outpost("config-key", "exists", key) == (
        errno.ENOENT,
        "",
        f"Error ENOENT: key '{key}' doesn't exist\n",
    )
    assert manager.call("probe", "get_store", "some/key") is None


def test_what_a_module_sets(manager: Manager) -> None:
    manager.call("probe", "set_store", "mine", "of the module")
    assert manager.outpost("config-key", "get", "mgr/probe/mine").out == "of the module\n"
    manager.check("config-key", "put", "mgr/probe/mine", "")
    assert manager.call("probe", "get_store", "mine") == ""


def test_bytes(manager: Manager, tmp_path: Path) -> None:
    content, got = tmp_path / "in", tmp_path / "out"
    content.write_bytes(_ALL_BYTES * 100)
    manager.check("config-key", "set", "mgr/hello/blob", "-i", content)
    manager.check("config-key", "get", "mgr/hello/blob", "-o", got)
    assert got.read_bytes() == _ALL_BYTES * 100
    content.write_bytes(b"")
    manager.check("config-key", "set", "mgr/hello/blob", "-i", content)
    manager.check("config-key", "get", "mgr/hello/blob", "-o", got)
    assert got.read_bytes() == b""
    rc, _, err = manager.outpost("config-key", "set", "mgr/hello/blob")
    assert rc == errno.EINVAL
    assert "missing required parameter val(<string>), or a file (-i)" in err


def test_dump(manager: Manager, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(_ALL_BYTES)
    manager.check("config-key", "set", "mgr/hello/blob", "-i", blob)
    manager.check("config-key", "set", "mgr/hello/text", 'two\n"lines" and ö')
    secrets = ("jwt_secret", "password", "ssl/key", "ssh_identity_key", "api-token")
    for name in secrets:
        manager.check("config-key", "set", f"mgr/probe/{name}", "hunter2")
    dumped = json.loads(manager.check("config-key", "dump"))
    assert dumped == {
        "mgr/hello/blob": "<<< binary blob of length 256 >>>",
        "mgr/hello/text": 'two\n"lines" and ö',
        **{f"mgr/probe/{name}": "<redacted>, 7 bytes" for name in secrets},
    }
    assert list(dumped) == sorted(dumped)
    only = json.loads(manager.check("config-key", "dump", "mgr/hello/t", "-f", "json"))
    assert list(only) == ["mgr/hello/text"]
    assert json.loads(manager.check("config-key", "dump", "mgr/nosuch/")) == {}
    # Asked for by its name, a secret is told.
    assert manager.outpost("config-key", "get", "mgr/probe/password").out == "hunter2\n"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("foo", "key 'foo': the key of a module is mgr/<module>/<key>"),
        ("mgr/hello", "key 'mgr/hello': the key of a module is mgr/<module>/<key>"),
        ("mgr/hello/", "key 'mgr/hello/': the key is empty"),
        ("mgr/hello/" + "k" * 1025, "has 1025 bytes; at most 1024 are allowed"),
        ("mgr/8/x", "key 'mgr/8/x': "),
    ],
)
def test_keys_that_there_cannot_be(manager: Manager, key: str, text: str) -> None:
    for words in (("get", key), ("set", key, "v"), ("rm", key), ("exists", key)):
        rc, out, err = manager.outpost("config-key", *words)
        assert (rc, out) == (errno.EINVAL, ""), words
        assert err.startswith("Error EINVAL: ") and text in err, err


def test_a_value_that_is_too_large(manager: Manager, tmp_path: Path) -> None:
    content = tmp_path / "in"
    content.write_bytes(b"x" * (8 << 20))
    manager.check("config-key", "set", "mgr/hello/large", "-i", content)
    content.write_bytes(b"y" * ((8 << 20) + 1))
    rc, _, err = manager.outpost("config-key", "set", "mgr/hello/large", "-i", content)
    assert rc == errno.EFBIG
    assert err == (
        'Error EFBIG: error: the value of key "mgr/hello/large" has 8388609 bytes; at most'
        " 8388608 are allowed\n"
    )
    assert manager.outpost("config-key", "get", "mgr/hello/large").out == "x" * (8 << 20) + "\n"


# --- batches ---


def test_a_batch_is_made_whole_or_not_at_all(manager: Manager) -> None:
    def batch(conditions: dict[str, bytes | None], changes: dict[str, bytes | None]) -> str:
        """The key of the condition that failed; "": made."""
        request = key_value_pb2.KeyValueBatchRequest(module="hello")
        for key, value in conditions.items():
            request.conditions.add(key=key, value=value)
        for key, value in changes.items():
            request.changes.add(key=key, value=value)
        response = stub(manager).Batch(request, timeout=DEADLINE)
        assert response.succeeded == (response.failed_key == "")
        return str(response.failed_key)

    def values() -> dict[str, bytes]:
        request = key_value_pb2.KeyValueListRequest(module="hello")
        entries = stub(manager).List(request, timeout=DEADLINE).entries
        return {entry.key: entry.value for entry in entries}

    assert batch({"a": None, "b": None}, {"a": b"1", "b": _ALL_BYTES}) == ""
    assert values() == {"a": b"1", "b": _ALL_BYTES}
    # The first condition that does not hold is named, and nothing is changed.
    assert batch({"a": b"1", "b": b"x", "c": b"y"}, {"a": b"2", "c": b"3"}) == "b"
    assert batch({"a": None}, {"a": b"2"}) == "a"
    assert batch({"c": b""}, {"c": b"2"}) == "c"  # an empty value is not an absent one
    assert values() == {"a": b"1", "b": _ALL_BYTES}
    assert batch({"a": b"1", "b": _ALL_BYTES, "c": None}, {"a": b"", "b": None, "c": b"3"}) == ""
    assert values() == {"a": b"", "c": b"3"}
    assert batch({"a": b""}, {}) == ""
    for request in (
        {"changes": [{"key": "", "value": b"x"}]},
        {"conditions": [{"key": "k" * 1025}]},
        {"changes": [{"key": "k", "value": b"x" * ((8 << 20) + 1)}]},
        {"module": "8", "changes": [{"key": "k", "value": b"x"}]},
    ):
        with pytest.raises(grpc.RpcError) as caught:
            stub(manager).Batch(
                key_value_pb2.KeyValueBatchRequest(**{"module": "hello", **request}),
                timeout=DEADLINE,
            )
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert values() == {"a": b"", "c": b"3"}


def test_of_many_who_compare_one_at_a_time_succeeds(manager: Manager) -> None:
    """A counter that eight threads count up, by compare and swap."""
    turns = 25

    def count() -> None:
        for _ in range(turns):
            while True:
                present = stub(manager).Get(
                    key_value_pb2.KeyValueGetRequest(module="hello", key="counter"),
                    timeout=DEADLINE,
                )
                value = present.value if present.HasField("value") else None
                request = key_value_pb2.KeyValueBatchRequest(module="hello")
                request.conditions.add(key="counter", value=value)
                request.changes.add(key="counter", value=b"%d" % (int(value or b"0") + 1))
                if stub(manager).Batch(request, timeout=DEADLINE).succeeded:
                    break

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manager.outpost("config-key", "get", "mgr/hello/counter").out == f"{8 * turns}\n"


# --- what changes, as it changes ---


class Watch:
    """A KeyValue.Watch that has begun."""

    def __init__(self, manager: Manager, module: str, prefix: str = "") -> None:
        self.stream = stub(manager).Watch(
            key_value_pb2.KeyValueWatchRequest(module=module, prefix=prefix), timeout=DEADLINE
        )
        self.stream.initial_metadata()  # its headers say that it watches

    def next(self) -> tuple[str, bytes | None]:
        change = next(self.stream).change
        return change.key, change.value if change.HasField("value") else None


def test_watch(manager: Manager) -> None:
    everything, some = Watch(manager, "hello"), Watch(manager, "hello", "a/")
    manager.check("config-key", "set", "mgr/probe/a/x", "of another module")
    for i in range(50):
        manager.run("config-key", "set", "mgr/hello/a/x", str(i))  # each is told
    manager.check("config-key", "set", "mgr/hello/b", "")
    manager.check("config-key", "rm", "mgr/hello/a/x")
    manager.call("probe", "set_store", "a/x", "of the other module, too")
    for watch in (everything, some):
        assert [watch.next() for _ in range(50)] == [("a/x", b"%d" % i) for i in range(50)]
    assert everything.next() == ("b", b"")
    for watch in (everything, some):
        assert watch.next() == ("a/x", None)
        watch.stream.cancel()


def test_who_watches_too_slowly_is_cut_off(manager: Manager) -> None:
    watch = Watch(manager, "hello")
    value = b"x" * (4 << 20)
    for i in range(16):  # far more than the connection and the manager hold for one who sleeps
        request = key_value_pb2.KeyValuePutRequest(module="hello", key=f"k{i}", value=value)
        stub(manager).Put(request, timeout=DEADLINE)
    seen = []
    with pytest.raises(grpc.RpcError) as caught:
        while True:
            seen.append(watch.next()[0])
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error_info(caught.value).reason == "WATCH_TOO_SLOW"
    assert "watch again" in caught.value.details()
    assert seen == [f"k{i}" for i in range(len(seen))] and len(seen) < 16


def test_a_watch_of_keys_that_there_cannot_be(manager: Manager) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        next(Watch(manager, "").stream)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "the field `module` is empty; say whose keys are meant"


if __name__ == "__main__":
    run_tests(__file__)
