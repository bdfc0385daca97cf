"""The command line as people and their shells use it: prompts, completion, polling, following."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixture import OUTPOST, Background, Manager, run_tests, until
from terminal import Terminal

PROMPT = r"outpost> "
PYTHON_PROMPT = r"\[mgr self-test eval\] >>> "
MORE_PROMPT = r"\[mgr self-test eval\] \.\.\. "


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager("hello", "iostat", "slow", "selftest", installed=["status"]) as manager:
        yield manager


@pytest.fixture
def environment(manager: Manager, tmp_path: Path) -> dict[str, str]:
    """Of a person with an empty home."""
    environment = {**manager.environment(), "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    environment.pop("XDG_STATE_HOME", None)
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "outpost").symlink_to(OUTPOST)
    environment["PATH"] = f"{binaries}:{os.environ['PATH']}"
    return environment


# --- outpost shell ---


def test_shell_takes_commands_from_a_pipe(manager: Manager) -> None:
    lines = "\n".join(
        [
            "hello",
            "# a comment",
            "",
            "hello 'Ann Lee'",
            "hello count x",
            "hello --format json-pretty -- Joe",
            "nosuch",
            "hello count 1",
        ]
    )
    rc, out, err = manager.outpost("shell", stdin=lines)
    assert rc == 0
    assert out == "Hello, world!\nHello, Ann Lee!\nHello, Joe!\n1\n"
    assert "Invalid command: x doesn't represent an int\n" in err
    assert err.count("\nError EINVAL: invalid command\n") == 2


def test_shell_ends_as_its_last_line_does(manager: Manager) -> None:
    assert manager.outpost("shell", stdin="").rc == 0
    assert manager.outpost("shell", stdin="hello\nmodule enable nosuch\n").rc == errno.ENOENT
    assert manager.outpost("shell", stdin="nosuch\nquit\nhello\n")[:2] == (errno.EINVAL, "")
    rc, _, err = manager.outpost("shell", stdin="hello 'Ann\n")
    assert (rc, err) == (errno.EINVAL, "Error EINVAL: a ' is not closed\n")
    rc, _, err = manager.outpost("shell", stdin="hello -i -\n")
    assert (rc, err) == (
        errno.EINVAL,
        "Error EINVAL: -i -: standard input has the commands; name a file\n",
    )


def test_shell_reads_and_writes_files_for_a_line(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("Ann\nJoe\n")
    rc, out, err = manager.outpost(
        "shell", stdin=f"hello -i {tmp_path}/in -o {tmp_path}/out\nhello\n"
    )
    assert (rc, out, err) == (0, "Hello, world!\n", "")
    assert (tmp_path / "out").read_text() == "Hello, Ann!\nHello, Joe!"


def test_shell_has_editing_completion_and_history(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with Terminal([OUTPOST, "shell"], environment) as terminal:
        terminal.wait_for(PROMPT)
        terminal.type("hel\t")
        terminal.wait_for("hello ")
        terminal.type("co\t")
        terminal.wait_for("count ")
        terminal.type("3\x022\r")  # ^B goes back over the 3
        terminal.wait_for(r"\n1\n2\n")
        terminal.wait_for(r"\n23\n")
        terminal.wait_for(PROMPT)
        terminal.type("module \t")  # several: they are shown, and what they mean
        for word in ("disable +end a module", "enable +start a module", "ls +list the modules"):
            terminal.wait_for(word)
        terminal.wait_for(PROMPT + "module ")
        terminal.type("\x03")  # ^C forgets the line
        terminal.wait_for(r"\^C\n" + PROMPT)
        terminal.type(" hello secret\r")
        terminal.wait_for("Hello, secret!\n" + PROMPT)
        terminal.type("quit\r")
        assert terminal.end() == 0
    history = tmp_path / ".local/state/outpost/shell_history"
    assert history.read_text() == "hello count 23\nquit\n"  # a space keeps a line out
    assert stat.S_IMODE(history.stat().st_mode) == 0o600

    with Terminal([OUTPOST, "shell"], environment) as terminal:
        terminal.wait_for(PROMPT)
        terminal.type("\x1b[A\x1b[A\r")  # up, up
        terminal.wait_for(r"\n22\n23\n")
        terminal.wait_for(PROMPT)
        terminal.type("\x04")
        assert terminal.end() == 0


def test_shell_interrupts_the_command_alone(manager: Manager, environment: dict[str, str]) -> None:
    with Terminal([OUTPOST, "shell"], environment) as terminal:
        terminal.wait_for(PROMPT)
        terminal.type("slow\r")
        until("the command to run", lambda: manager.modules()["slow"].in_flight > 0)
        terminal.type("\x03")
        terminal.wait_for(PROMPT)
        terminal.type("iostat -p 0.05\r")
        terminal.wait_for(r"\|\n.*\|\n.*\|\n")
        terminal.type("\x03")
        terminal.wait_for(PROMPT)
        terminal.type("hello\r")
        terminal.wait_for("Hello, world!\n" + PROMPT)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM
    assert manager.check("slow", "release") == ""


def test_shell_finds_a_manager_that_comes_back(environment: dict[str, str]) -> None:
    with Manager("hello") as manager:
        mine = {**environment, "OUTPOST_ADDRESS": manager.address}
        with Terminal([OUTPOST, "shell"], mine) as terminal:
            terminal.wait_for(PROMPT)
            manager.kill9()
            terminal.type("hello\r")
            terminal.wait_for("Error: no manager answers at .*")
            terminal.wait_for(PROMPT)
            manager.restart()
            terminal.type("hello\r")
            terminal.wait_for("Hello, world!\n" + PROMPT)


# --- completion of bash and zsh ---


@pytest.fixture(params=["bash", "zsh"])
def shell(request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[Terminal]:
    """A real shell, told to complete as the documentation says."""
    if (program := shutil.which(request.param)) is None:
        pytest.skip(f"{request.param} is not installed")
    argv = {
        "bash": [program, "--noprofile", "--norc", "-i"],
        "zsh": [program, "-f", "-i"],
    }[request.param]
    setup = {
        "bash": "bind 'set bell-style none'; PS1='$$ '; source <(outpost completion bash)",
        "zsh": "PS1='$$ '; autoload -U compinit; compinit -u -D; source <(outpost completion zsh)",
    }[request.param]
    with Terminal(argv, environment) as terminal:
        terminal.type(f"{setup}; echo RE''ADY\r")
        terminal.wait_for("READY\n")
        yield terminal


def test_shells_complete_words(shell: Terminal) -> None:
    shell.type("outpost hel\t")
    shell.wait_for("hello ")
    shell.type("cou\t")
    shell.wait_for("count ")
    shell.type("2\r")
    shell.wait_for("\n1\n2\n")


def test_shells_show_what_there_is(shell: Terminal) -> None:
    # bash says with the second Tab what there is; zsh with the first, and then takes one.
    shell.type("outpost module \t" + ("\t" if "bash" in shell.name else ""))
    for word in ("disable", "enable", "ls", "restart"):
        shell.wait_for(word)
    shell.type("ls det\t")  # a choice of an argument
    shell.wait_for("detail ")


def test_shells_complete_argument_names_and_choices(shell: Terminal) -> None:
    shell.type("outpost iostat --print\t")
    shell.wait_for("--print-header ")
    shell.type("--form\t")
    shell.wait_for("--format")
    shell.type("\x15outpost --format=y\t")  # ^U: begin anew
    shell.wait_for("--format=yaml")
    shell.type("\x15outpost status -f y\t")
    shell.wait_for("-f yaml")


def test_shells_complete_files_and_local_commands(shell: Terminal, tmp_path: Path) -> None:
    (tmp_path / "input_file").write_text("Ann\n")
    shell.type(f"outpost hello -i {tmp_path}/input\t")
    shell.wait_for("input_file")
    shell.type("\r")
    shell.wait_for("Hello, Ann!")
    shell.type("outpost compl\t")
    shell.wait_for("completion ")
    shell.type("ba\t")
    shell.wait_for("bash ")


def test_completion_is_quick_without_a_manager(environment: dict[str, str]) -> None:
    nobody = {**environment, "OUTPOST_ADDRESS": "unix:/nonexistent"}
    with Terminal(["bash", "--norc", "-i"], nobody) as terminal:
        terminal.type("PS1='$$ '; source <(outpost completion bash); echo RE''ADY\r")
        terminal.wait_for("READY\n")
        terminal.type("outpost not\t")
        terminal.wait_for("notify ")


def test_completion_of_no_known_shell(manager: Manager) -> None:
    for words in (["fish"], [], ["bash", "more"]):
        rc, out, err = manager.outpost("completion", *words)
        assert (rc, out) == (errno.EINVAL, "")
        assert "outpost completion bash, or zsh" in err


# --- outpost repl ---


def test_repl_runs_code(manager: Manager) -> None:
    code = "for i in range(2):\n    print(i)\nx = mgr.get_mgr_id()\nprint('é', x)\n"
    assert manager.outpost("repl", "-c", code) == (0, "0\n1\né x\n", "")
    assert manager.outpost("repl", "-c", "print(x)").out == "x\n"  # the names stay
    rc, out, err = manager.outpost("repl", "-c", "print('before')\n1/0")
    assert (rc, out) == (1, "before\n")
    assert err.endswith("ZeroDivisionError: division by zero\n")
    rc, _, err = manager.outpost("repl", "-c", "if")
    assert rc == 1 and "SyntaxError" in err
    assert manager.outpost("repl", "-c", "raise SystemExit(3)").rc == 1
    assert manager.state("selftest") == "RUNNING"


def test_repl_runs_a_script(manager: Manager, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("def f():\n\n    return 41\nprint(f() + 1)\nraise ValueError('here')\n")
    rc, out, err = manager.outpost("repl", script)
    assert (rc, out) == (1, "42\n")
    assert f'File "{script}", line 5' in err
    assert manager.outpost("repl", stdin="print(6 * 7)\n") == (0, "42\n", "")
    assert manager.outpost("repl", tmp_path / "none.py").rc == 1


def test_repl_with_another_prefix(manager: Manager) -> None:
    assert manager.outpost("repl", "--prefix", "mgr self-test eval", "-c", "print(1)").out == "1\n"
    rc, _, err = manager.outpost("repl", "--prefix=mgr my-module eval", "-c", "1")
    assert rc == errno.EINVAL
    assert err.endswith(
        'Error EINVAL: invalid command\nrepl needs the command "mgr my-module eval"\n'
    )


def test_repl_refuses_what_it_does_not_know(manager: Manager) -> None:
    for words in (["--nosuch"], ["-c"], ["--prefix"], ["a.py", "b.py"], ["-c", "1", "a.py"]):
        rc, out, err = manager.outpost("repl", *words)
        assert (rc, out) == (errno.EINVAL, "") and err.startswith("Error EINVAL: repl: "), words


def test_repl_shows_the_environment(manager: Manager) -> None:
    address, path = manager.check("repl", "--show-env").splitlines()
    assert address == f"export OUTPOST_ADDRESS={manager.address}"
    match = re.fullmatch(r"export PYTHONPATH=(.+):\$PYTHONPATH", path)
    assert match is not None
    assert any((Path(entry) / "mgr_module").is_dir() for entry in match[1].split(":"))


def test_repl_is_a_conversation(environment: dict[str, str], tmp_path: Path) -> None:
    with Terminal([OUTPOST, "repl"], environment) as terminal:
        terminal.wait_for(r"Python 3\.\S+ .* on linux\n")
        terminal.wait_for('Type "help", "copyright", "credits" or "license" for more information')
        terminal.wait_for(r"\(MgrModuleInteractiveConsole\)\n" + PYTHON_PROMPT)
        # As the guide has it.
        terminal.type("print(mgr.version)\r")
        terminal.wait_for(r"\noutpost \S+\n" + PYTHON_PROMPT)
        terminal.type("from timeit import timeit\r")
        terminal.wait_for(PYTHON_PROMPT)
        terminal.type("timeit(mgr.get_mgr_id, number=10)\r")
        terminal.wait_for(r"\n\d+\.\d+\S*\n" + PYTHON_PROMPT)
        terminal.type("for i in range(2):\r")
        terminal.wait_for(MORE_PROMPT)
        terminal.type("\tprint('x', i)\r")  # Tab at the beginning of a line is four columns
        terminal.wait_for(MORE_PROMPT)
        terminal.type("\r")
        terminal.wait_for(r"x 0\nx 1\n" + PYTHON_PROMPT)
        terminal.type("mgr.get_mgr_\t")
        terminal.wait_for("get_mgr_i")
        terminal.type("\x15{}['key']\r")
        terminal.wait_for(r"KeyError: 'key'\n" + PYTHON_PROMPT)
        terminal.type("(1,\r")
        terminal.wait_for(MORE_PROMPT)
        terminal.type("\x03")
        terminal.wait_for(r"KeyboardInterrupt\n" + PYTHON_PROMPT)
        terminal.type("import threading; threading.Event().wait(3)\r")
        terminal.wait_for("wait")
        terminal.type("\x03")
        terminal.wait_for(PYTHON_PROMPT)
        terminal.type("exit()\r")
        assert terminal.end() == 0
    history = (tmp_path / ".local/state/outpost/repl_history").read_text().splitlines()
    assert history[0] == "print(mgr.version)" and history[-1] == "exit()"


# --- the log as it grows ---


def heard(manager: Manager, follower: Background, *words: str) -> str:
    """Write a line into the cluster log, again until the follower has it; its line."""
    while follower._lines.empty():
        manager.check(*words)
    return follower.line()


def skip_status(follower: Background) -> None:
    """What `outpost -w` begins with."""
    assert follower.line() == "  cluster:"
    while not follower.line().startswith("  modules:"):
        pass
    while follower.line():
        pass


def test_watch_shows_the_status_and_then_the_cluster_log(manager: Manager) -> None:
    follower = manager.outpost_background("-w")
    skip_status(follower)
    manager.check("mgr", "self-test", "cluster-log", "audit", "error", "of another channel")
    manager.check("mgr", "self-test", "cluster-log", "cluster", "debug", "of no weight")
    line = heard(manager, follower, "log", "hello", "there")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d{4} \S+ cluster \[INF\] hello there", line
    )
    rc, _, err = follower.end(signal.SIGINT)
    assert (rc, err) == (0, "")


@pytest.mark.parametrize(
    ("flags", "channel", "priority", "shown"),
    [
        (["-W", "audit"], "audit", "info", r"audit \[INF\] it"),
        (["--watch-channel=*"], "cluster", "error", r"cluster \[ERR\] it"),
        (["--watch-debug"], "cluster", "debug", r"cluster \[DBG\] it"),
        (["--watch-warn", "-W", "*"], "audit", "security", r"audit \[WRN\] it"),
    ],
)
def test_watch_chooses(
    manager: Manager, flags: list[str], channel: str, priority: str, shown: str
) -> None:
    follower = manager.outpost_background(*flags)
    skip_status(follower)
    line = heard(manager, follower, "mgr", "self-test", "cluster-log", channel, priority, "it")
    assert re.search(shown + "$", line)
    assert follower.end(signal.SIGINT).rc == 0


def test_watch_leaves_out_what_weighs_less(manager: Manager) -> None:
    follower = manager.outpost_background("--watch-error")
    skip_status(follower)
    for priority in ("info", "warning"):
        manager.check("mgr", "self-test", "cluster-log", "cluster", priority, "not this")
    command = ("mgr", "self-test", "cluster-log", "cluster", "error", "but this")
    assert heard(manager, follower, *command).endswith("[ERR] but this")
    assert follower.end(signal.SIGTERM).rc == 0


def test_watch_refuses_a_command_and_needs_a_manager(manager: Manager) -> None:
    assert manager.outpost("-w", "hello") == (
        errno.EINVAL,
        "",
        'Error EINVAL: --watch goes with no command, but there is "hello"\n',
    )
    rc, out, err = manager.outpost("-w", "-a", "unix:/nonexistent")
    assert (rc, out) == (errno.ECONNREFUSED, "") and err.startswith("Error: no manager answers")


def test_watch_waits_for_a_manager_that_went_away() -> None:
    with Manager("hello") as manager:
        follower = manager.outpost_background("-w")
        skip_status(follower)
        assert heard(manager, follower, "log", "one").endswith("[INF] one")
        manager.kill9()
        manager.restart()
        while "two" not in heard(manager, follower, "log", "two"):
            pass
        rc, _, err = follower.end(signal.SIGINT)
        assert rc == 0
        assert err.splitlines() == [
            f"the manager at {manager.address} went away; waiting for it",
            f"the manager at {manager.address} is there again",
        ]


def test_repl_interrupts_what_the_module_runs(
    manager: Manager, environment: dict[str, str]
) -> None:
    with Terminal([OUTPOST, "repl"], environment) as terminal:
        terminal.wait_for(">>> ")
        terminal.type("while True: pass\r\r")
        until("it to run", lambda: manager.modules()["selftest"].in_flight > 0)
        terminal.type("\x03")
        terminal.wait_for("KeyboardInterrupt")
        until("its end", lambda: manager.modules()["selftest"].in_flight == 0)
        terminal.wait_for(">>> ")
        terminal.type("exit()\r")
        assert terminal.end() == 0


def test_progress_is_watched(manager: Manager, environment: dict[str, str]) -> None:
    def update(progress: float) -> None:
        code = f"mgr.update_progress_event('work', 'Moving data', {progress}, True)"
        manager.check("repl", "-c", code)

    argv = [OUTPOST, "progress", "-w", "--period", "0.1"]
    update(0.25)
    with Terminal(argv, environment) as terminal:
        terminal.wait_for("25%")
        update(0.5)
        terminal.wait_for("50%")
        assert re.search(r"\x1b\[\d+A\x1b\[J    Moving data", terminal._seen), "it is drawn anew"
        manager.check("repl", "-c", "mgr.complete_progress_event('work')")
        terminal.wait_for(r"\[Complete\]: Moving data")
        terminal.type("\x03")
        assert terminal.end() == 0
    # Where it is no terminal, what is new is written below.
    lines = manager.outpost_background(*map(str, argv[1:]))
    assert "[Complete]: Moving data" in lines.line()
    update(0.75)
    while "75%" not in lines.line():
        pass
    assert lines.end(signal.SIGINT).rc == 0
    manager.check("progress", "clear")
    as_json = json.loads(manager.check("progress", "-w", "--period", "0", "--format", "json"))
    assert as_json["events"] == []
    stopped = manager.outpost("--address", "unix:/nowhere/at-all.sock", "progress", "-w")
    assert stopped.rc != 0 and "/nowhere" in stopped.err


def test_module_logs_are_followed(manager: Manager) -> None:
    write = ("repl", "-c", "mgr.log.warning('a line of mine')")
    manager.check(*write)
    until("the line", lambda: "a line of mine" in manager.check("module", "logs", "selftest"))
    follower = manager.outpost_background("module", "logs", "selftest", "-f")
    while not follower.line().endswith("[WRN] a line of mine"):
        pass
    while not follower._lines.empty():
        follower.line()
    manager.check("mgr", "self-test", "cluster-log", "cluster", "info", "one more")
    while not follower.line().endswith("one more"):
        pass
    assert follower.end(signal.SIGINT).rc == 0

    as_json = manager.outpost_background("module", "logs", "selftest", "--follow", "-f", "json")
    lines = [json.loads(as_json.line())]
    while lines[-1]["message"] != "one more":
        lines.append(json.loads(as_json.line()))
    assert lines[-1]["name"] == "selftest" and lines[-1]["channel"] == "cluster"
    assert as_json.end(signal.SIGINT).rc == 0
    assert manager.outpost("module", "logs", "selftest", "--follow", "-f", "xml").rc == errno.EINVAL

    none_before = manager.outpost_background("module", "logs", "selftest", "--follow", "--lines=0")
    assert heard(manager, none_before, *write).endswith("a line of mine")
    assert none_before.end(signal.SIGINT).rc == 0
    rc, _, err = manager.outpost("module", "logs", "nosuch", "-f")
    assert rc == errno.ENOENT and "nosuch" in err
    assert manager.outpost("module", "logs", "--follow").rc == errno.EINVAL
    assert manager.outpost("module", "logs", "selftest", "--follow", "--nosuch").rc == errno.EINVAL


def test_control_characters_do_not_reach_the_terminal(manager: Manager) -> None:
    checks = {"ODD": {"severity": "warning", "summary": "\x1b[2Jx", "detail": ["\x07", "\x1b[2Jx"]}}
    manager.check("mgr", "self-test", "health", "set", json.dumps(checks))
    assert manager.check("health", "detail") == (
        "HEALTH_WARN \\x1b[2Jx\n[WRN] ODD: \\x1b[2Jx\n    \\x07\n"
    )
    manager.check("mgr", "self-test", "health", "clear", "ODD")
    follower = manager.outpost_background("-w")
    skip_status(follower)
    code = r"mgr.cluster_log('cluster', mgr.ClusterLogPrio.INFO, 'x\x1b[31m')"
    assert heard(manager, follower, "repl", "-c", code).endswith(r"[INF] x\x1b[31m")
    assert follower.end(signal.SIGINT).rc == 0


# --- module selftest ---


def test_selftest_runs(manager: Manager) -> None:
    assert manager.outpost("mgr", "self-test", "run") == (0, "", "Self-test succeeded\n")
    assert manager.outpost("mgr", "self-test", "remote") == (0, "", "Successfully called\n")
    assert manager.outpost("mgr", "self-test", "module", "selftest") == (
        0,
        "ok\n",
        "Self-test OK\n",
    )
    assert manager.outpost("mgr", "self-test", "module", "iostat").err == "Self-test OK\n"
    rc, _, err = manager.outpost("mgr", "self-test", "module", "nosuch")
    assert rc == errno.EINVAL
    assert re.search(r"^ImportError: Module not found", err, re.MULTILINE)
    version = manager.check("mgr", "self-test", "python-version")
    assert re.fullmatch(r"3\.\d+\.\d+\n", version)


def test_selftest_evaluates(manager: Manager) -> None:
    def evaluate(*words: str) -> tuple[int, str, str]:
        return manager.outpost("mgr", "self-test", "eval", *words)

    assert evaluate("6 * 7") == (0, "42\n", "")
    assert evaluate("print('a'); print('b')") == (0, "a\nb\n", "")
    assert evaluate("import sys; sys.stderr.write('e') and None") == (0, "", "e\n")
    rc, out, err = evaluate("1/0")
    assert (rc, out) == (0, "") and err.endswith("ZeroDivisionError: division by zero\n")
    assert evaluate("if True:") == (0, "", "")  # not finished: the retval is 2
    rc, _, err = evaluate()
    assert (rc, err) == (errno.EINVAL, "Error EINVAL: source is not specified\n")


def test_selftest_config(manager: Manager) -> None:
    manager.check("config", "set", "mgr/selftest/testkey", "testvalue")
    assert manager.check("mgr", "self-test", "config", "get", "testkey") == "testvalue\n"
    assert manager.check("mgr", "self-test", "config", "get_localized", "testkey") == "testvalue\n"
    manager.check("config", "set", "mgr/selftest/x/testkey", "here")
    assert manager.check("mgr", "self-test", "config", "get_localized", "testkey") == "here\n"
    for key in ("mgr/selftest/x/testkey", "mgr/selftest/testkey"):
        manager.check("config", "rm", key)


def test_selftest_health(manager: Manager) -> None:
    checks = {
        "ST_A": {"severity": "warning", "summary": "a is odd", "detail": ["a", "b"]},
        "ST_B": {"severity": "error", "summary": "b is bad", "detail": []},
    }
    assert manager.outpost("mgr", "self-test", "health", "set", json.dumps(checks)).rc == 0
    assert manager.check("health").startswith("HEALTH_ERR b is bad; a is odd")
    manager.check("mgr", "self-test", "health", "clear", "ST_B")
    assert manager.check("health") == "HEALTH_WARN a is odd\n"
    manager.check("mgr", "self-test", "health", "clear")
    assert manager.check("health") == "HEALTH_OK\n"
    assert manager.outpost("mgr", "self-test", "health", "set", "{") == (
        errno.EPERM,
        "",
        "Error EPERM: Failed to decode JSON input: Expecting property name enclosed in double"
        " quotes: line 1 column 2 (char 1)\n",
    )
    rc, _, err = manager.outpost("mgr", "self-test", "health", "set", '{"X": {}}')
    assert (rc, err) == (
        errno.EPERM,
        "Error EPERM: Invalid health check format: KeyError: 'severity'\n",
    )


def test_selftest_background(manager: Manager) -> None:
    def background(*words: str) -> tuple[int, str, str]:
        return manager.outpost("mgr", "self-test", "background", *words)

    assert background("stop") == (0, "", "No background workload was running\n")
    assert background("start", "nosuch") == (
        errno.EINVAL,
        "",
        "Error EINVAL: Workload not found 'nosuch'\n",
    )
    assert background("start", "command_spam").err == "Running `command_spam` in background\n"
    manager.wait_for_log("Starting command_spam workload")
    assert background("stop").err == "Stopping background workload `command_spam`\n"
    manager.wait_for_log("Ended command_spam workload")


def test_selftest_throws(environment: dict[str, str]) -> None:
    with Manager("selftest") as manager:
        before = manager.modules()["selftest"].pid
        manager.check("mgr", "self-test", "background", "start", "throw_exception")
        manager.wait_for_log("Synthetic exception in serve")
        until("a new process", lambda: manager.modules()["selftest"].pid not in (0, before))


def test_selftest_cluster_log(manager: Manager) -> None:
    assert manager.outpost(
        *("mgr", "self-test", "cluster-log", "audit", "warning", "somebody did it")
    ) == (0, "", "Successfully called\n")
    manager.wait_for_log("somebody did it")
    rc, _, err = manager.outpost("mgr", "self-test", "cluster-log", "audit", "loud", "x")
    assert rc == errno.EINVAL and "debug, info, security, warning, error" in err


if __name__ == "__main__":
    run_tests(__file__)
