"""Run a module: python3 -m outpost.run DIR [--name NAME] [--address ADDR] [--as-ceph-mgr].

DIR holds a module.py with one subclass of MgrModule. The environment (OUTPOST_ADDRESS,
OUTPOST_MODULE, OUTPOST_TOKEN_FD) says what the options do not. The process ends with a status of
ExitCode.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import NoReturn

from outpost._errors import ModuleLoadError
from outpost._loader import load_module
from outpost._logs import LogShipper
from outpost._session import Session
from outpost._settings import DEFAULT_ADDRESS, ExitCode, Settings

_EXIT_TIME = 2.0  # seconds that threads and exit handlers of the module have after the session


def run(
    directory: str,
    *,
    name: str | None = None,
    address: str | None = None,
    as_ceph_mgr: bool = False,
) -> ExitCode:
    """Run the module in a directory until it is told to end; for the main thread.

    What keeps it from starting is told on stderr, and is the return value.
    """
    try:
        settings = Settings.from_environment(
            default_name=os.path.basename(os.path.realpath(directory)), name=name, address=address
        )
        settings = dataclasses.replace(settings, as_ceph_mgr=as_ceph_mgr)
    except ValueError as error:
        print(f"outpost: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    logs = LogShipper(settings.log_buffer)
    root = logging.getLogger()
    root.addHandler(logs)
    root.setLevel(logging.INFO)
    try:
        module = load_module(directory, settings)
    except ModuleLoadError as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        print(f"outpost: module {settings.name} can't be loaded: {error}", file=sys.stderr)
        return ExitCode.FAILED
    session = Session(module, settings, logs)
    session.handle_signals()
    code = session.run()
    _end_soon(code, 0.0 if session.forced else _EXIT_TIME)
    return code


def _end_soon(code: ExitCode, delay: float) -> None:
    """End the process after `delay` seconds, whatever threads the module left running."""

    def end() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    if delay <= 0:
        end()
    timer = threading.Timer(delay, end)
    timer.daemon = True
    timer.start()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run as a program."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # The thread that crashed, for the manager keeps the last lines only; and all of them where it
    # asks a process that hangs.
    faulthandler.enable(all_threads=False)
    faulthandler.register(signal.SIGQUIT, all_threads=True, chain=True)
    if len(arguments) == 1 and not arguments[0].startswith("-"):
        sys.exit(run(arguments[0]))  # as the manager starts it
    import argparse

    parser = argparse.ArgumentParser(
        prog="python3 -m outpost.run", description="Run an Outpost module."
    )
    parser.add_argument("directory", metavar="DIR", help="where the module's module.py is")
    parser.add_argument("--name", help="register under this name (default: the directory's name)")
    parser.add_argument(
        "--address", help=f"the manager, as a gRPC target (default: {DEFAULT_ADDRESS})"
    )
    parser.add_argument(
        "--as-ceph-mgr",
        action="store_true",
        help="take a module of ceph-mgr's own as it is: its __init__ may call the manager, and what"
        " is wrong with its options is passed over",
    )
    options = parser.parse_args(arguments)
    sys.exit(
        run(
            options.directory,
            name=options.name,
            address=options.address,
            as_ceph_mgr=options.as_ceph_mgr,
        )
    )


if __name__ == "__main__":
    main()
