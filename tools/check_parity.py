#!/usr/bin/env python3
"""Checks that the tests which docs/ceph-mgr-parity.md names exist, ran and passed.

    tools/check_parity.py DOCUMENT TESTLOGS

TESTLOGS is Bazel's bazel-testlogs after a run of all tests. A test is named as `target::test`, the
target without its package, the test as `test_name` (Python) or `Suite.Name` (C++). Each cell of a
column "Python" or "C++" names at least one test, or tells after a dash why there is none.
"""

from __future__ import annotations

import pathlib
import re
import sys
import xml.etree.ElementTree as ET

_REFERENCE = re.compile(r"`([a-z0-9_]+)::([A-Za-z0-9_./]+)`")
_PROVING_COLUMNS = ("Python", "C++", "Test")


def passed_tests(testlogs: pathlib.Path) -> dict[str, set[str]]:
    """By target, the names of the tests that ran and passed."""
    passed: dict[str, set[str]] = {}
    for path in testlogs.rglob("test.xml"):
        names = passed.setdefault(path.parent.name, set())
        for case in ET.parse(path).iter("testcase"):
            if any(case.find(kind) is not None for kind in ("failure", "error", "skipped")):
                continue
            if case.get("status") == "notrun":
                continue
            name = re.sub(r"\[.*", "", case.get("name", ""), flags=re.S)
            suite = case.get("classname", "")
            names.update((name, f"{suite}.{name}", f"{suite.rpartition('.')[2]}.{name}"))
            names.add(name.rpartition("/")[2])  # a target that tells of no cases
    return passed


def check(document: str, passed: dict[str, set[str]]) -> tuple[int, list[str]]:
    """How many rows there are, and what is wrong with the document."""
    wrong = []
    rows = 0
    columns: list[str] = []
    for number, line in enumerate(document.splitlines(), 1):
        if not line.startswith("|"):
            columns = []
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not columns:
            columns = cells
            continue
        if set(line) <= set("|-: "):
            continue
        rows += 1
        if len(cells) != len(columns):
            wrong.append(f"{number}: {len(cells)} cells, and {len(columns)} columns")
            continue
        for column, cell in zip(columns, cells):
            if column not in _PROVING_COLUMNS:
                continue
            references = _REFERENCE.findall(cell)
            if not references and not re.match("— .+", cell):
                wrong.append(f"{number}: {cells[0]}: {column} names no test, and gives no reason")
            for target, test in references:
                if target not in passed:
                    wrong.append(f"{number}: {cells[0]}: no test target {target} ran")
                elif test not in passed[target]:
                    wrong.append(f"{number}: {cells[0]}: {target} has run and passed no {test}")
    return rows, wrong


def main() -> int:
    document, testlogs = (pathlib.Path(argument) for argument in sys.argv[1:3])
    rows, wrong = check(document.read_text(encoding="utf-8"), passed_tests(testlogs))
    for line in wrong:
        print(f"{document}:{line}")
    if rows == 0:
        print(f"{document}: it has no table")
        return 1
    print(f"{rows} rows")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
