"""How a module process finds its manager, how long it waits for things, and how it ends."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_ADDRESS = "unix:/run/outpost/outpost.sock"


class ExitCode(enum.IntEnum):
    """How a module process ends; the numbers are those of sysexits.h, and of the LSB for 6.

    A module may end itself with NOT_CONFIGURED or DO_NOT_RESTART: sys.exit() with one of them,
    where it is imported or in serve().
    """

    OK = 0
    """It was asked to end, and did."""
    FAILED = 1
    """Its code could not be loaded, or it did not end in the time it was given."""
    NOT_CONFIGURED = 6
    """Its options do not let it work: it is started again when one of them changes."""
    TEMPORARY = 75
    """No manager could be reached for too long."""
    REFUSED = 78
    """The manager does not want it: a new start with the same settings will not help."""
    DO_NOT_RESTART = 78
    """It is not to be started again, whatever its restart policy is, until an operator does."""


EXITS_WITH_A_MEANING = (ExitCode.NOT_CONFIGURED, ExitCode.DO_NOT_RESTART)
"""With these, a module may end itself."""


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait between attempts, in seconds: doubling, with 25 % of jitter."""

    first: float = 0.1
    longest: float = 5.0

    def delay(self, attempt: int) -> float:
        """Return how long to wait after the given failed attempt; the first one is 0."""
        import random

        ceiling: float = min(self.longest, self.first * 2.0 ** min(attempt, 30))
        return ceiling * random.uniform(0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a session needs to know beside the module itself. Times are in seconds."""

    name: str
    """The name to register under."""
    address: str = DEFAULT_ADDRESS
    """A gRPC target: "unix:/path" or "host:port"."""
    token: str = field(default="", repr=False)
    """What the supervisor gave to prove who this is; empty when started by hand."""
    call_timeout: float = 30.0
    """For calls that the manager answers itself, waiting for a manager included."""
    work_timeout: float = 300.0
    """For calls that another module or a daemon answers."""
    attach_timeout: float = 20.0
    """How long to wait for the manager's answer to Register."""
    least_silence: float = 10.0
    """For how long a manager that sends Pings may send none at the least, before it is left."""
    contact_grace: float = 60.0
    """How long a supervised process looks for its first manager before it ends."""
    stop_grace: float = 10.0
    """How long a signal leaves for shutdown()."""
    log_buffer: int = 10_000
    """How many log lines are kept while the manager does not take them."""
    backoff: Backoff = Backoff()
    """Between attempts to attach."""
    as_ceph_mgr: bool = False
    """Whether the module is one of ceph-mgr's own, and taken as it is; see load_class()."""

    @property
    def supervised(self) -> bool:
        """Whether a supervisor started this process."""
        return bool(self.token)

    @classmethod
    def from_environment(
        cls,
        *,
        default_name: str,
        name: str | None = None,
        address: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """Read OUTPOST_ADDRESS, OUTPOST_MODULE and OUTPOST_TOKEN_FD.

        `name` and `address` win over the environment, `default_name` is used where neither says
        anything. The token's file descriptor is read to its end and closed, so this works once.
        Raises ValueError when OUTPOST_TOKEN_FD is not a readable file descriptor.
        """
        env = os.environ if environ is None else environ
        return cls(
            name=name or env.get("OUTPOST_MODULE") or default_name,
            address=address or env.get("OUTPOST_ADDRESS") or DEFAULT_ADDRESS,
            token=_read_token(env.get("OUTPOST_TOKEN_FD", "")),
        )


def _read_token(number: str) -> str:
    if not number:
        return ""
    try:
        with open(int(number), "rb") as stream:
            return stream.read().decode().strip()
    except (ValueError, OSError) as error:
        raise ValueError(
            f"OUTPOST_TOKEN_FD={number!r} is not a file descriptor that holds a token: {error}"
        ) from error
