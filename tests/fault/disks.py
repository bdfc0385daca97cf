"""Disks that fail: a small one that gets full, and one that the kernel makes read-only.

Each is mounted in a mount namespace of its own, on a manager's data directory; whatever is to see
it is started with `wrapper` before it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fixture import DEADLINE


class _Disk:
    """A process that holds the namespace, and does with the disk what it is told."""

    def __init__(self, directory: Path, mount: str) -> None:
        directory.mkdir()
        # Each line is a command of the shell; it answers with its exit status.
        script = f'{mount} && echo 0 && while read -r line; do eval "$line" >&2; echo $?; done'
        for flags in (["--mount"], ["--mount", "--map-root-user"]):
            self._holder = subprocess.Popen(
                ["unshare", *flags, "sh", "-c", script, directory],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert self._holder.stdout is not None
            if self._holder.stdout.readline() == "0\n":
                user = ["--user", "--preserve-credentials"] if len(flags) > 1 else []
                self.wrapper = ["nsenter", *user, "--mount", "-t", str(self._holder.pid), "--"]
                self.path = Path(f"/proc/{self._holder.pid}/root{directory}")
                return
            refusal = self._holder.communicate()[1]
        pytest.skip(f"no disk can be made here: {refusal}")

    def run(self, command: str) -> None:
        """Run a line of shell in the namespace; $0 is where the disk is mounted."""
        assert self._holder.stdin is not None and self._holder.stdout is not None
        self._holder.stdin.write(command + "\n")
        self._holder.stdin.flush()
        assert self._holder.stdout.readline() == "0\n", command

    def close(self) -> None:
        self._holder.communicate(timeout=DEADLINE)


class SmallDisk(_Disk):
    """A tmpfs of some MiB."""

    def __init__(self, directory: Path, mib: int) -> None:
        super().__init__(directory, f'mount -t tmpfs -o size={mib}m,mode=0700 none "$0"')


class FailingDisk(_Disk):
    """An ext4 file system in a file, which the kernel makes read-only at an error."""

    def __init__(self, directory: Path, image: Path) -> None:
        with image.open("wb") as file:
            file.truncate(16 << 20)
        self._mount = f'mount -o loop,errors=remount-ro {image} "$0"'
        super().__init__(directory, f'mkfs.ext4 -q -F {image} && {self._mount} && chmod 0700 "$0"')

    def fail(self) -> None:
        """Let the file system find an error."""
        # So: /sys/fs/ext4/loop0/trigger_fs_error
        self.run('echo 1 > /sys/fs/ext4/$(basename $(findmnt -no SOURCE "$0"))/trigger_fs_error')

    def mend(self) -> None:
        """Check it and mount it again; nobody may use it."""
        image = self._mount.split()[-2]
        self.run(f'umount "$0" && {{ e2fsck -fp {image}; [ $? -le 1 ]; }} && {self._mount}')
