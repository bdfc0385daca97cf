"""Says hello: the smallest module that shows what modules can do."""

from __future__ import annotations

import errno
import threading
from typing import Any

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule, Option


class Module(MgrModule):
    """Greets people, and counts."""

    MODULE_OPTIONS = (
        Option(name="place", default="world", desc="a place in the world", runtime=True),
        Option(
            name="emphatic",
            type="bool",
            default=True,
            desc="whether to say it loudly",
            runtime=True,
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stop = threading.Event()

    @CLIReadCommand("hello")
    def hello(
        self, person_name: str | None = None, inbuf: str | None = None
    ) -> HandleCommandResult:
        """Say hello, to a person, or to everybody in a file, one a line"""
        names = [person_name] if person_name else []
        if inbuf is not None:
            in_file = [line.strip() for line in inbuf.splitlines() if line.strip()]
            if not in_file:
                return HandleCommandResult(-errno.EINVAL, stderr="hello: the input file is empty")
            names += in_file
        if not names:
            names = [str(self.get_module_option("place"))]
        mark = "!" if self.get_module_option("emphatic") else "."
        return HandleCommandResult(stdout="\n".join(f"Hello, {name}{mark}" for name in names))

    @CLIReadCommand("hello count")
    def count(self, num: int) -> HandleCommandResult:
        """Count up to a number from 1 to 1000"""
        if not 1 <= num <= 1000:
            return HandleCommandResult(
                -errno.EINVAL, stderr=f"hello count: {num} is not from 1 to 1000"
            )
        return HandleCommandResult(stdout="\n".join(str(i) for i in range(1, num + 1)))

    def config_notify(self) -> None:
        """Tell the log what the options are now."""
        self.log.info(
            "place is now %s, emphatic is now %s",
            self.get_module_option("place"),
            "true" if self.get_module_option("emphatic") else "false",
        )

    def serve(self) -> None:
        """Wait for the end; a real module would work here."""
        self.log.info("hello starts")
        self._stop.wait()
        self.log.info("hello ends")

    def shutdown(self) -> None:
        """Wake serve()."""
        self._stop.set()
