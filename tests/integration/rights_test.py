"""Who calls, and whether they may: users of the machine, modules, what caps allow."""

from __future__ import annotations

import errno
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixture import DEADLINE, Manager, run_tests, until
from users import ALICE, BOB, EVE, as_user, needs_root, open_to_all


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    flags = ["--local-user", f"{ALICE}=alice", f"--local-user={BOB}=bob"]
    with Manager("hello", "selftest", "api_cpp", flags=flags) as manager:
        open_to_all(manager)
        yield manager


@needs_root
def test_a_user_who_is_not_known(manager: Manager) -> None:
    rc, out, err = as_user(manager, EVE, "status")
    assert (rc, out) == (errno.EACCES, "")
    assert f"user/uid-{EVE}" in err and "is not known here" in err
    assert f"outpost auth add user/uid-{EVE} mgr" in err


@needs_root
def test_what_caps_allow_and_what_they_do_not(manager: Manager) -> None:
    assert manager.outpost("auth", "add", "user/alice", "mgr", "allow r").rc == 0
    try:
        assert as_user(manager, ALICE, "status").rc == 0
        assert as_user(manager, ALICE, "module", "ls").rc == 0
        rc, out, err = as_user(manager, ALICE, "config", "set", "mgr/hello/place", "Oslo")
        assert (rc, out) == (errno.EACCES, "")
        assert (
            'user/alice may not run "config set": it lacks "allow service config rw", and has '
            '"allow r"; an administrator grants it: outpost auth caps user/alice mgr '
            "'allow r, allow service config rw'"
        ) in err
        # As it says.
        grant = "allow r, allow service config rw"
        assert manager.outpost("auth", "caps", "user/alice", "mgr", grant).rc == 0
        assert as_user(manager, ALICE, "config", "set", "mgr/hello/place", "Oslo").rc == 0
        log = json.loads(manager.check("config", "log", "1", "--format", "json"))
        assert "user/alice" in json.dumps(log)
        # Rights that were taken back count at once.
        assert manager.outpost("auth", "rm", "user/alice").rc == 0
        assert as_user(manager, ALICE, "status").rc != 0
    finally:
        manager.outpost("auth", "rm", "user/alice")
        manager.outpost("config", "rm", "mgr/hello/place")


@needs_root
def test_arguments_of_a_command(manager: Manager) -> None:
    caps = "allow command hello with person_name prefix Al"
    assert manager.outpost("auth", "add", "user/bob", "mgr", caps).rc == 0
    try:
        assert as_user(manager, BOB, "hello", "Alice").out == "Hello, Alice!\n"
        assert as_user(manager, BOB, "hello", "Bob").rc == errno.EACCES
        assert as_user(manager, BOB, "hello").rc == errno.EACCES
    finally:
        manager.outpost("auth", "rm", "user/bob")


@needs_root
def test_nobody_gives_themselves_rights(manager: Manager) -> None:
    manager.check("auth", "add", "user/bob", "mgr", "profile read-write")
    try:
        for words in (
            ["auth", "caps", "user/bob", "mgr", "allow *"],
            ["auth", "add", "user/eve", "mgr", "allow *"],
            ["auth", "rm", "user/bob"],
            ["auth", "ls"],
        ):
            assert as_user(manager, BOB, *words).rc == errno.EACCES, words
    finally:
        manager.outpost("auth", "rm", "user/bob")


@needs_root
def test_nobody_gives_themselves_rights_in_the_cluster(manager: Manager) -> None:
    """What the monitors' own commands give needs x as well, whichever way they are sent."""
    ways = [
        ["tell", "mon", "auth", "ls"],
        ["tell", "mon", " auth  get-or-create", "client.bob"],
        ["tell", "mon.a", '{"prefix": "auth ls"}'],
        ["tell", "mon", '{"prefix": "config-key dump"}'],
    ]
    try:
        for caps in ("allow service mon rwx, allow service cluster rwx", 'allow command "tell"'):
            manager.check("auth", "caps", "user/bob", "mgr", caps)
            assert as_user(manager, BOB, "tell", "mon", "osd", "ls").rc == 0
            for words in ways:
                rc, out, err = as_user(manager, BOB, *words)
                assert (rc, out) == (errno.EACCES, ""), words
                assert 'it lacks "allow service ' in err and 'run "tell" with "' in err, words
        manager.check("auth", "caps", "user/bob", "mgr", "profile read-write")
        for words in ways[:3]:
            rc, _, err = as_user(manager, BOB, *words)
            assert rc == errno.EACCES and 'it lacks "allow service auth rwx"' in err, words
        # The monitors' own answer, from then on: these are simulated, and have no `auth`.
        manager.check("auth", "caps", "user/bob", "mgr", "allow service auth rwx")
        for words in ways[:3]:
            assert as_user(manager, BOB, *words).rc == errno.EINVAL, words
    finally:
        manager.outpost("auth", "rm", "user/bob")


def test_the_commands(manager: Manager) -> None:
    assert manager.outpost("auth", "get", "user/carol").rc == errno.ENOENT
    assert manager.outpost("auth", "add", "user/carol", "mgr", "allow r").rc == 0
    assert manager.outpost("auth", "add", "user/carol", "mgr", "allow r").rc == 0
    rc, _, err = manager.outpost("auth", "add", "user/carol", "mgr", "allow rw")
    assert rc == errno.EEXIST and "auth caps user/carol" in err
    assert manager.check("auth", "get", "user/carol") == '[user/carol]\n\tcaps mgr = "allow r"\n'
    rc, _, err = manager.outpost("auth", "caps", "user/carol", "mgr", "allow q")
    assert rc == errno.EINVAL and "caps, character 7: expected *, some of rwx" in err
    rc, _, err = manager.outpost("auth", "caps", "user/carol", "allow", "r")
    assert rc == errno.EINVAL and "in quotes" in err
    rc, _, err = manager.outpost("auth", "caps", "user/admin", "mgr", "allow r")
    assert rc == errno.EINVAL and "locked out" in err
    rc, _, err = manager.outpost("auth", "get", "user/a b")
    assert rc == errno.EINVAL and "user/NAME" in err
    listed = json.loads(manager.check("auth", "ls", "--format", "json"))["auth_dump"]
    assert {"entity": "user/carol", "caps": {"mgr": "allow r"}} in listed
    assert {"entity": "user/admin", "caps": {"mgr": "allow *"}} in listed
    assert {"entity": "module/*", "caps": {"mgr": "allow *"}} in listed
    manager.check("auth", "rm", "user/carol")
    assert "user/carol" not in manager.check("auth", "ls")
    assert "does not exist" in manager.outpost("auth", "rm", "user/carol").err


def test_caps_outlive_the_manager() -> None:
    with Manager() as manager:
        manager.check("auth", "add", "user/carol", "mgr", "profile crash")
        manager.kill9()
        manager.restart()
        assert "profile crash" in manager.check("auth", "get", "user/carol")


@needs_root
def test_who_has_no_caps_keeps_nobody_out(manager: Manager) -> None:
    """A user who may do nothing gets few connections; others connect all the while."""
    script = (
        "import socket, sys, time\n"
        "held = []\n"
        "for _ in range(200):\n"
        "    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); held.append(s)\n"
        "print('held', flush=True)\n"
        "closed = 0\n"
        "for s in held:\n"
        "    s.settimeout(5)\n"
        "    try:\n"
        "        closed += s.recv(1) == b''\n"  # the others have a SETTINGS frame to read
        "    except ConnectionResetError:\n"
        "        closed += 1\n"
        "print(closed, flush=True)\n"
        "sys.stdin.read()\n"
    )
    holding = subprocess.Popen(
        ["/usr/bin/python3", "-c", script, manager.address.removeprefix("unix:")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=EVE,
        group=EVE,
        extra_groups=[],
    )
    try:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "held\n"
        assert manager.outpost("hello").rc == 0
        assert int(holding.stdout.readline()) >= 180
        manager.wait_for_log(f"user/uid-{EVE} .* has too many connections")
    finally:
        holding.communicate(timeout=DEADLINE)


@needs_root
def test_a_user_with_many_uids_keeps_nobody_out(manager: Manager) -> None:
    """All who may do nothing have few connections together, and what they had is given back."""
    uids, each, most = 80, 16, 1024
    script = (
        "import os, resource, socket, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))\n"
        "held = []\n"
        f"for uid in range(100000, {100000 + uids}):\n"
        "    os.seteuid(uid)\n"
        f"    for _ in range({each}):\n"
        "        s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); held.append(s)\n"
        "    os.seteuid(0)\n"
        "closed = 0\n"
        "for s in held:\n"
        "    s.settimeout(20)\n"
        "    try:\n"
        "        closed += s.recv(1) == b''\n"
        "    except ConnectionResetError:\n"
        "        closed += 1\n"
        "print(len(held) - closed, flush=True)\n"
        "sys.stdin.read()\n"
    )
    manager.check("auth", "add", "user/bob", "mgr", "allow r")
    holding = subprocess.Popen(
        ["/usr/bin/python3", "-c", script, manager.address.removeprefix("unix:")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holding.stdout is not None
        # Those of others without rights, before, are among them.
        assert most - 64 <= int(holding.stdout.readline()) <= most
        assert as_user(manager, BOB, "status").rc == 0
        assert manager.outpost("hello").rc == 0
    finally:
        holding.communicate(timeout=DEADLINE)
        manager.outpost("auth", "rm", "user/bob")
    until(
        "a user without rights to be told so",
        lambda: "is not known here" in as_user(manager, EVE, "status").err,
    )


def test_a_socket_for_few() -> None:
    with Manager(flags=["--socket-mode", "0600"]) as manager:
        path = Path(manager.address.removeprefix("unix:"))
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    with Manager() as manager:
        path = Path(manager.address.removeprefix("unix:"))
        assert path.stat().st_mode & 0o777 == 0o666
        assert path.parent.stat().st_mode & 0o777 == 0o711


@needs_root
@pytest.mark.parametrize(
    ("module", "needs", "command"),
    [("selftest", "rw", ["mgr", "self-test", "eval", "mgr.is_authorized({'pool': 'rbd'})"]),
     ("api_cpp", "r", ["api-cpp", "may", "rbd"])],
)  # fmt: skip
def test_a_module_asks_what_its_caller_may(
    manager: Manager, module: str, needs: str, command: list[str]
) -> None:
    other = [word.replace("rbd", "other") for word in command]
    yes, no = ("True", "False") if module == "selftest" else ("true", "false")
    assert manager.check(*command).strip() == yes  # user/admin
    caps = f"allow module {module} with pool=rbd {needs}"
    manager.check("auth", "add", "user/alice", "mgr", caps)
    try:
        for flags in ([], ["--retry", "10"]):  # with a key, too
            assert as_user(manager, ALICE, *flags, *command).out.strip() == yes
            assert as_user(manager, ALICE, *flags, *other).out.strip() == no
        manager.check("auth", "caps", "user/alice", "mgr", f"allow module {module} {needs}")
        assert as_user(manager, ALICE, *other).out.strip() == yes
    finally:
        manager.check("auth", "rm", "user/alice")


if __name__ == "__main__":
    run_tests(__file__)
