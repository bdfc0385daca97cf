"""The disk and the database fail: writes are refused with the reason, and all else goes on."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from disks import FailingDisk, SmallDisk
from fixture import DEADLINE, OUTPOSTD, Manager, Outcome, error_info, hammer, run_tests, until
from memory import MIB, Growth
from outpost.v1 import key_value_pb2, key_value_pb2_grpc

_DAMAGED = 65


def put(manager: Manager, key: str, value: bytes) -> None:
    manager.stub(key_value_pb2_grpc.KeyValueStub).Put(
        key_value_pb2.KeyValuePutRequest(module="hello", key=key, value=value), timeout=DEADLINE
    )


def refusal(manager: Manager, value: bytes) -> grpc.RpcError:
    """How a write fails."""
    with pytest.raises(grpc.RpcError) as caught:
        put(manager, "refused", value)
    return caught.value


def keys(manager: Manager) -> dict[str, bytes]:
    response = manager.stub(key_value_pb2_grpc.KeyValueStub).List(
        key_value_pb2.KeyValueListRequest(module="hello"), timeout=DEADLINE
    )
    return {entry.key: entry.value for entry in response.entries}


def store(manager: Manager, *words: str | Path) -> Outcome:
    """Run `outpostd store …` on the manager's data directory."""
    done = subprocess.run(
        [*manager.wrapper, OUTPOSTD, "store", *words, "--data-dir", manager.data],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def health(manager: Manager) -> str:
    return manager.check("health", "detail")


@contextlib.contextmanager
def others_go_on(manager: Manager) -> Iterator[None]:
    """A module's commands are answered all the while, and none fails; so are reads of others."""
    with hammer(manager, "hello-cpp") as commands, hammer(manager, "config", "dump") as reads:
        yield
    print(f"the commands: {commands()}; reads: {reads()}")
    for interval in (commands(), reads()):
        assert interval.failures == []
        assert interval.answers > 0


@pytest.fixture
def manager() -> Iterator[Manager]:
    """Not started."""
    manager = Manager("hello", "hello_cpp")
    try:
        yield manager
    finally:
        manager.close()


def test_a_full_disk(manager: Manager) -> None:
    with contextlib.ExitStack() as stack:
        disk = SmallDisk(manager.data, mib=2)
        stack.callback(disk.close)
        stack.callback(manager.close)
        manager.wrapper = disk.wrapper
        manager.start()
        with others_go_on(manager):
            # Half of the disk is somebody else's.
            (disk.path / "ballast").write_bytes(bytes(MIB))
            kept: dict[str, bytes] = {}
            with pytest.raises(grpc.RpcError) as caught:
                for i in range(100):
                    value = os.urandom(32 * 1024)
                    put(manager, f"key{i}", value)
                    kept[f"key{i}"] = value
            error = caught.value
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            full = rf"state store {manager.data}/state.db: the disk is full .*make space there"
            assert re.search(full, error.details())
            assert error_info(error).metadata["errno"] == str(errno.ENOSPC)
            assert len(kept) > 2

            # What was acknowledged is there; what failed is not; who writes nothing goes on.
            assert keys(manager) == kept
            assert manager.outpost("hello") == (0, "Hello, world!\n", "")
            rc, _, err = manager.outpost("config", "set", "mgr/hello/place", "x" * 60_000)
            assert rc == errno.ENOSPC, err
            assert err.startswith("Error ENOSPC: ") and "the disk is full" in err
            assert manager.outpost("config", "get", "mgr/hello/place") == (0, "world\n", "")
            told = until("health to tell", lambda: re.search(full, health(manager)))
            assert told
            assert "[ERR] MGR_STORE_WRITE_FAILED: writes are refused: " in health(manager)

            # However much is refused, nothing of it stays in the memory.
            grown = Growth(manager)
            for _ in range(200):
                refusal(manager, os.urandom(256 * 1024))
            grown.check(16 * MIB)

            # The store can be read, but a copy of it has no place here.
            rc, out, err = store(manager, "check")
            assert (rc, err) == (0, ""), out
            assert "; a manager uses it" in out
            rc, out, err = store(manager, "backup", manager.data / "backup")
            assert (rc, out) == (1, "")
            assert err == (
                f"outpostd store: the backup {manager.data}/backup can't be made: No space left on"
                " device\n"
            )
            assert not [name for name in os.listdir(disk.path) if name.startswith("backup")]
            rc, _, err = store(manager, "backup", manager.directory / "backup")
            assert rc == 0, err

            # There is space again: it finds out by itself, and nobody needs to do anything.
            (disk.path / "ballast").unlink()
            until("health to be well", lambda: "MGR_STORE" not in health(manager))
            put(manager, "after", b"there is space again")
            kept["after"] = b"there is space again"
            assert keys(manager) == kept
            assert manager.outpost("config", "set", "mgr/hello/place", "Mars") == (0, "", "")

        manager.kill9()
        manager.restart()
        assert keys(manager) == kept
        assert manager.outpost("hello") == (0, "Hello, Mars!\n", "")


def test_a_disk_that_becomes_read_only(manager: Manager) -> None:
    with contextlib.ExitStack() as stack:
        disk = FailingDisk(manager.data, manager.directory / "disk.img")
        stack.callback(disk.close)
        stack.callback(manager.close)
        manager.wrapper = disk.wrapper
        manager.start()
        kept = {f"key{i}": os.urandom(1000) for i in range(20)}
        for key, value in kept.items():
            put(manager, key, value)
        before = manager.modules()
        with others_go_on(manager):
            disk.fail()
            error = refusal(manager, b"value")
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            why = rf"state store {manager.data}/state.db: .*: its disk is read-only"
            assert re.search(why, error.details()), error.details()
            assert keys(manager) == kept
            until("health to tell", lambda: re.search(why, health(manager)))
            assert "[ERR] MGR_STORE_WRITE_FAILED: writes are refused: " in health(manager)
            rc, _, err = manager.outpost("config", "set", "mgr/hello/place", "Mars")
            assert rc != 0 and "its disk is read-only" in err
            assert manager.outpost("hello") == (0, "Hello, world!\n", "")

        # A manager that can't write is not started; the modules wait for one.
        manager.kill9()
        rc, _, err = manager.refused()
        assert rc == 1
        assert "Read-only file system" in err or "its disk is read-only" in err, err
        disk.mend()
        manager.restart()
        assert keys(manager) == kept
        assert {n: m.pid for n, m in manager.modules().items()} == {
            n: m.pid for n, m in before.items()
        }
        assert "MGR_STORE" not in health(manager)
        put(manager, "after", b"it works again")


def test_a_damaged_database(manager: Manager) -> None:
    manager.start()
    many = {f"key{i:03}": b"value" * 20 for i in range(200)}
    for key, value in many.items():
        put(manager, key, value)
    manager.check("config", "set", "mgr/hello/place", "Mars")
    before = manager.modules()
    database = manager.data / "state.db"
    backup = manager.directory / "backup"
    assert store(manager, "backup", backup).rc == 0
    put(manager, "after the backup", b"value")
    # It takes the log into the file, as the end of any reader does when nobody else has it.
    manager.kill9()
    with sqlite3.connect(database) as reader:
        reader.execute("SELECT count(*) FROM entries").fetchone()
    reader.close()
    whole = database.read_bytes()

    for content, what in (
        (whole[:4096] + b"\xff" * 2000 + whole[6096:], "is damaged ("),
        (b"garbage " * 1000, "is not an SQLite database ("),
        (whole[:100], "is cut off (it has 100 bytes)"),
    ):
        database.write_bytes(content)
        rc, _, err = manager.refused()
        assert rc == _DAMAGED
        assert err.startswith(f"outpostd: state store {database}: {what}")
        assert "`outpostd store check`" in err and "`outpostd store recover`" in err
        assert err.count("\n") == 1
        rc, out, err = store(manager, "check")
        assert (rc, err) == (_DAMAGED, "")
        assert out.startswith(f"state store {database} is DAMAGED\n")
        assert database.read_bytes() == content
    # There is nothing in it to be saved.
    rc, _, err = store(manager, "recover")
    assert rc == _DAMAGED
    assert "nothing of it can be read; take a backup with --from FILE" in err

    # A leaf with options and other things is gone: all else is saved.
    place = whole.index(b"config/mgr/hello/place")
    page = place // 4096
    assert page > 1, "the options are in the root of the tree"
    hurt = whole[: page * 4096] + b"\xff" * 4096 + whole[(page + 1) * 4096 :]
    database.write_bytes(hurt)
    assert manager.refused().rc == _DAMAGED
    rc, out, err = store(manager, "recover")
    assert (rc, err) == (0, "")
    print(out)
    assert re.match(rf"state store {database}: \d+ entries are saved\nAREA +SAVED +LOST\n", out)
    assert re.search(rf"^  - page {page + 1}: it is no page of the table any more$", out, re.M)
    assert re.search(r"^modules +\d+ +\d+$", out, re.M)
    kept = manager.data / "state.db.before-recovery.1"
    assert f"What was there is kept as {kept}\n" in out
    assert kept.read_bytes() == hurt
    assert store(manager, "check").rc == 0

    # The modules have waited.
    manager.restart()
    assert manager.outpost("hello").rc == 0
    assert {n: m.pid for n, m in manager.modules().items()} == {n: m.pid for n, m in before.items()}
    manager.stop()

    # And so from a backup.
    rc, out, err = store(manager, "recover", "--from", backup)
    assert (rc, err) == (0, "")
    assert out.startswith(f"state store {database} is that of the backup {backup} now\n")
    manager.restart()
    assert keys(manager) == many
    assert manager.outpost("hello") == (0, "Hello, Mars!\n", "")


def test_a_page_that_is_damaged_while_a_manager_runs(manager: Manager) -> None:
    manager.start()
    # More than SQLite keeps in its memory.
    stub = manager.stub(key_value_pb2_grpc.KeyValueStub)
    for begin in range(0, 4000, 500):
        changes = [
            key_value_pb2.KeyValueChange(key=f"key{i:05}", value=bytes(1200))
            for i in range(begin, begin + 500)
        ]
        stub.Batch(key_value_pb2.KeyValueBatchRequest(module="hello", changes=changes))
    manager.stop()
    manager.restart()
    database = manager.data / "state.db"
    with others_go_on(manager):
        # Of the keys' pages those that it has looked at longest ago.
        content = database.read_bytes()
        page = content.index(b"kv/hello/key00000") // 4096
        with database.open("r+b") as file:
            file.seek(page * 4096)
            file.write(b"\x5a" * 4096 * 300)
        for i in range(100):
            put(manager, f"key{i:05}", b"new")
        # It is found, and written anew from memory.
        repaired = (
            f"[WRN] MGR_STORE_DAMAGED: state store {database}: was found damaged, and has been"
            " written anew from memory: nothing is lost; what was there is kept as"
            f" {database}.before-recovery.1: look at the disk, then remove it"
        )
        until("health to tell", lambda: repaired in health(manager))
        rc, out, _ = store(manager, "check")
        assert rc == 0, out
        assert store(manager, "check", f"{database}.before-recovery.1").rc == _DAMAGED
    manager.kill9()
    manager.restart()
    expected = {f"key{i:05}": b"new" if i < 100 else bytes(1200) for i in range(4000)}
    assert keys(manager) == expected
    assert "MGR_STORE" not in health(manager)
    assert manager.outpost("hello") == (0, "Hello, world!\n", "")


def test_what_store_commands_refuse(manager: Manager, tmp_path: Path) -> None:
    database = manager.data / "state.db"
    # No such file; recover needs something to recover from.
    manager.data.mkdir(mode=0o700)
    for words in (["check"], ["backup", tmp_path / "b"], ["recover"]):
        rc, out, err = store(manager, *words)
        assert (rc, out) == (1, "")
        assert err.startswith(f"outpostd store: state store {database}: there is no such file (")
    assert os.listdir(manager.data) == ["lock"]
    # The command line.
    for words, what in (
        ([], "A subcommand is required"),
        (["mend"], "A subcommand is required"),
        (["backup"], "FILE is required"),
        (["check", "--data-dri", "x"], "--data-dri"),
        (["check", "--config", tmp_path / "none.toml"], "none.toml"),
    ):
        done = subprocess.run([OUTPOSTD, "store", *words], capture_output=True, text=True)
        assert done.returncode == 2, done
        assert what in done.stderr, done.stderr
    done = subprocess.run([OUTPOSTD, "store", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "recover" in done.stdout

    with manager:
        # It runs: it can be looked at and copied, and not be replaced.
        assert manager.process is not None
        assert store(manager, "check").rc == 0
        for words in (["recover"], ["recover", "--from", database]):
            rc, out, err = store(manager, *words)
            assert (rc, out) == (1, "")
            assert err == (
                f"outpostd store: the data directory {manager.data} is in use by another manager"
                f" (process {manager.process.pid}); end that one, or choose another --data-dir\n"
            )
        backup = tmp_path / "backup"
        rc, out, _ = store(manager, "backup", backup)
        assert rc == 0
        assert out.startswith(f"backup {backup} is made, and whole\n")
        assert backup.stat().st_mode & 0o777 == 0o600
        rc, _, err = store(manager, "backup", backup)
        assert (rc, err) == (
            1,
            f"outpostd store: {backup} is there already; name a new file, or move it away\n",
        )
        assert os.listdir(tmp_path) == ["backup"]
        # The settings' file names the directory, too.
        settings = manager.directory / "outpostd.toml"
        settings.write_text(f'data-dir = "{manager.data}"\n')
        done = subprocess.run(
            [OUTPOSTD, "store", "check", "-c", settings], capture_output=True, text=True
        )
        assert done.returncode == 0
        assert done.stdout.startswith(f"state store {database} is whole\n")
        manager.stop()

        rc, out, _ = store(manager, "recover")
        assert (rc, out) == (
            0,
            f"state store {database} is whole: there is nothing to recover, and nothing was done\n",
        )
        if os.geteuid() == 0:
            # Where others may come, so that it is the data directory that keeps them out.
            manager.directory.chmod(0o755)
            program = shutil.copy(OUTPOSTD, manager.directory)
            done = subprocess.run(
                [program, "store", "check", "--data-dir", manager.data],
                capture_output=True,
                text=True,
                user=65534,
            )
            assert done.returncode == 1
            assert done.stderr == (
                f"outpostd store: state store {database}: Permission denied; run this as the"
                " manager's user\n"
            )

        # What is none, or one of a later version.
        text = tmp_path / "text"
        text.write_text("text " * 1000)
        rc, out, _ = store(manager, "check", text)
        assert rc == _DAMAGED
        assert "is not an SQLite database" in out
        with contextlib.closing(sqlite3.connect(database)) as newer:
            newer.execute("PRAGMA user_version=99")
        for words in (["check"], ["backup", tmp_path / "b"], ["recover"]):
            rc, _, err = store(manager, *words)
            assert rc == 1
            assert "was written by a newer outpostd (schema version 99; this one knows 1)" in err
        assert manager.refused().rc == 1


if __name__ == "__main__":
    run_tests(__file__)
