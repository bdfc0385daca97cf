#!/usr/bin/python3
"""Does what a document tells its reader to do, and compares what it says will be printed.

    run_document.py FILE.md

Of the fenced blocks, those whose info string names a file ("python my_modules/a/module.py") are
written to that file, and those called "console" with lines that begin with "$ " are run, each
such line by bash in the current directory. The lines up to the next command are what it has to
print, stdout and stderr together; a line "..." stands for any lines. Other blocks are left alone.
Exits with 1, and says what differs, at the first command that prints something else.
"""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND_SECONDS = 600


@dataclass(frozen=True)
class Command:
    """One command and the lines that it has to print."""

    line: str
    expected: list[str]


def commands(body: str) -> list[Command]:
    """The commands of a console block; none where no line begins with "$ "."""
    result: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            result.append(Command(line[2:], []))
        elif result:
            result[-1].expected.append(line)
    return result


def matches(expected: list[str], printed: list[str]) -> bool:
    """Whether the printed lines are those expected, with "..." for any lines."""
    pattern = "".join(
        r"(?:[^\n]*\n)*" if line == "..." else re.escape(line) + r"\n" for line in expected
    )
    return re.fullmatch(pattern, "".join(line + "\n" for line in printed)) is not None


def run(command: Command) -> bool:
    """Run one command; tell how it differs from what the document says."""
    print(f"$ {command.line}", flush=True)
    done = subprocess.run(
        ["bash", "-c", command.line],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    printed = done.stdout.splitlines()
    print(done.stdout, end="", flush=True)
    if matches(command.expected, printed):
        return True
    print("the document says otherwise:", file=sys.stderr)
    for line in difflib.unified_diff(command.expected, printed, "document", "printed", lineterm=""):
        print(line, file=sys.stderr)
    return False


def main(document: Path) -> int:
    """Do what the document tells; the exit status."""
    ran = 0
    for block in FENCE.finditer(document.read_text()):
        kind, _, name = block["info"].partition(" ")
        if name:
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["body"])
            print(f"wrote {path}")
        elif kind == "console":
            for command in commands(block["body"]):
                if not run(command):
                    return 1
                ran += 1
    if ran == 0:
        print(f"{document} holds no command to run", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
