#!/usr/bin/python3
"""Writes compile_commands.json, for clang-tidy and editors, from Bazel's action graph.

usage: compile_commands.py [TARGETS], by default //... Build them first: headers that are generated
must exist.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# flags that clang-tidy complains about: gcc's own, and Bazel's for reproducible builds
_UNWANTED = ("-fno-canonical-system-headers", "-Wno-free-nonheap-object", "-D__DATE__=", "-D__TIME")


def bazel(*args: str) -> str:
    """Return what a Bazel command prints."""
    done = subprocess.run(["bazel", *args], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def with_generated_as_system(arguments: list[str]) -> list[str]:
    """Return the arguments with the places of generated headers as those of a system's headers.

    What clang-tidy finds in these is nobody's to mend.
    """
    result: list[str] = []
    for argument in arguments:
        path = argument.removeprefix("-I")
        if path.startswith("bazel-out/") and (
            argument != path or result[-1:] in (["-I"], ["-iquote"])
        ):
            if argument == path:
                result.pop()
            result += ["-isystem", path]
        else:
            result.append(argument)
    return result


def compile_commands(targets: list[str]) -> list[dict[str, Any]]:
    """Return an entry for each source file of ours that is in Bazel targets."""
    workspace = bazel("info", "workspace").strip()
    graph = json.loads(
        bazel(
            "aquery",
            f'mnemonic("CppCompile", set({" ".join(targets)}))',
            "--output=jsonproto",
            "--include_artifacts=false",
        )
    )
    commands = []
    for action in graph["actions"]:
        arguments = with_generated_as_system(
            [x for x in action["arguments"] if not x.startswith(_UNWANTED)]
        )
        source = arguments.index("-c") + 1
        if arguments[source].startswith(("bazel-out/", "external/")):
            continue
        # The workspace, not Bazel's execution root: there, links to sources come and go.
        commands.append({"directory": workspace, "file": arguments[source], "arguments": arguments})
    return commands


if __name__ == "__main__":
    commands = compile_commands(sys.argv[1:] or ["//..."])
    Path("compile_commands.json").write_text(json.dumps(commands, indent=1) + "\n")
    print(f"compile_commands.json: {len(commands)} commands")
