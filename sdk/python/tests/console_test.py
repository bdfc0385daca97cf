"""The console that a module offers to operators."""

from __future__ import annotations

import errno
import threading

from outpost._work import Work, current_work
from outpost.console import GOES_ON, RAISED, Console


class Thing:
    """In place of a module."""

    name = "thing"


def run(console: Console, source: str | None) -> tuple[int, str, str]:
    """The result, as a tuple."""
    result = console.run(source)
    return result.retval, result.stdout, result.stderr


def test_values_are_printed_and_names_stay() -> None:
    console = Console(Thing(), answer=42)
    assert run(console, "mgr.name") == (0, "'thing'\n", "")
    assert run(console, "x = answer") == (0, "", "")
    assert run(console, "x + 1") == (0, "43\n", "")
    assert run(console, "None") == (0, "", "")
    assert run(console, "def f():\n    return x\n") == (0, "", "")
    assert run(console, "f()") == (0, "42\n", "")


def test_what_is_not_finished_goes_on() -> None:
    console = Console(Thing())
    for source in ("if True:", "(1,", "'''", "def f():\n    pass"):
        assert run(console, source) == (GOES_ON, "", ""), source
    assert run(console, "if True:\n    1\n") == (0, "1\n", "")


def test_failures_are_told_and_do_not_end_the_module() -> None:
    console = Console(Thing())
    retval, out, err = run(console, "print('before'); 1/0")
    assert (retval, out) == (RAISED, "before\n")
    assert err.endswith("ZeroDivisionError: division by zero\n")
    retval, out, err = run(console, "1 +* 2")
    assert (retval, out) == (RAISED, "")
    assert "SyntaxError" in err
    retval, out, err = run(console, "exit(3)")
    assert (retval, out) == (RAISED, "")
    assert err.startswith("SystemExit: 3")
    retval, out, err = run(console, "raise KeyboardInterrupt")
    assert retval == RAISED
    assert "KeyboardInterrupt" in err
    assert run(console, None) == (-errno.EINVAL, "", "source is not specified")


def test_a_command_that_is_cancelled_is_interrupted() -> None:
    running = threading.Event()
    console = Console(Thing(), running=running)
    work = Work()
    results = []

    def ask() -> None:
        current_work.set(work)
        results.append(run(console, "while True: running.set()\n"))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert running.wait(20)
    work.cancelled.set()
    thread.join(20)
    assert not thread.is_alive()
    assert results[0][0] == RAISED
    assert "KeyboardInterrupt" in results[0][2]


def test_each_thread_sees_what_it_prints() -> None:
    console = Console(Thing(), barrier=threading.Barrier(2, timeout=20))
    results: dict[str, tuple[int, str, str]] = {}

    def ask(word: str) -> None:
        results[word] = run(
            console,
            f"barrier.wait(); print('{word}'); barrier.wait(); print('{word} again')",
        )

    threads = [threading.Thread(target=ask, args=(word,)) for word in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for word in ("one", "two"):
        retval, out, _ = results[word]
        # barrier.wait() is an expression: its value is printed.
        lines = [line for line in out.splitlines() if not line.isdigit()]
        assert (retval, lines) == (0, [word, f"{word} again"])


def test_other_threads_print_as_ever() -> None:
    console = Console(Thing())
    retval, out, _ = run(
        console,
        "import threading; t = threading.Thread(target=print, args=('elsewhere',)); t.start();"
        " t.join()",
    )
    assert (retval, out) == (0, "")
    assert run(console, "import sys; sys.stdout.isatty(), sys.stdout.writable()") == (
        0,
        "(False, True)\n",
        "",
    )


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
