"""Runs pytest on one file, as a Bazel test does it."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import pytest


def run(path: str) -> NoReturn:
    report = os.environ.get("XML_OUTPUT_FILE", os.devnull)
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", f"--junitxml={report}", path]))
