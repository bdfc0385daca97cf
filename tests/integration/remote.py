"""A manager that is reached by TLS, and the authority that makes its certificates."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import grpc
from fixture import DEADLINE, OUTPOST, Manager, Outcome


def cert(authority: Path, *words: str | Path) -> Outcome:
    """Run `outpost cert`; no manager is needed."""
    done = subprocess.run(
        [OUTPOST, "cert", *words, "--ca", authority],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={"HOME": "/nonexistent"},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


class Remote:
    """A manager that listens by TLS, with these modules, and an authority.

    Args:
        directory: where the authority and all certificates are.
        modules: as Manager takes them.
    """

    def __init__(self, directory: Path, *modules: str) -> None:
        self.directory = directory
        self.authority = directory / "ca"
        self.check("init")
        self.check("issue", "manager/x", "--host", "localhost", "--out", directory / "manager")
        self.manager = Manager(
            *modules,
            flags=[
                *("--listen-tls", "localhost:0", "--tls-dir", directory / "manager"),
                *("--tls-revoked", self.authority / "revoked"),
            ],
        )

    def check(self, *words: str | Path) -> str:
        """Run `outpost cert` with the authority; returns what it said."""
        rc, out, err = cert(self.authority, *words)
        assert rc == 0, err
        return out

    def issue(self, name: str, *flags: str, into: str = "") -> Path:
        """A new certificate; returns its directory, below `directory`."""
        out = self.directory / (into or name.replace("/", "-"))
        self.check("issue", name, "--out", out, *flags)
        return out

    @property
    def port(self) -> int:
        """Where the manager, which must have been started, listens."""
        return int(self.manager.wait_for_log(r"by TLS on tcp ports (\d+)")[1])

    def outpost(self, tls: Path, *words: str) -> Outcome:
        """Run the command line with a certificate."""
        done = subprocess.run(
            [OUTPOST, "--address", f"tls:localhost:{self.port}", "--connect-timeout", "3", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={**os.environ, "OUTPOST_TLS_DIR": str(tls)},
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def channel(self, tls: Path) -> grpc.Channel:
        """A channel with a certificate."""
        authority, key, chain = (
            (tls / name).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt")
        )
        return grpc.secure_channel(
            f"localhost:{self.port}", grpc.ssl_channel_credentials(authority, key, chain)
        )
