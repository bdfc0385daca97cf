"""Times get("osd_map") inside Debian's ceph-mgr: peer.py OSDS.

Starts a monitor, a manager and an OSD, makes the OSD map as big as is asked for, with OSDs that
do not exist as processes, and prints what the manager's module `reads` has measured, as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import rados
from cluster import CephCluster

_CONNECTIONS = 16
_DEADLINE = 120  # seconds


def grow(cluster: CephCluster, osds: int) -> None:
    """Make the OSD map hold so many OSDs."""
    dump = json.loads(cluster.ceph("osd", "dump", "-f", "json").out)
    present = {osd["osd"] for osd in dump["osds"]}
    missing = [number for number in range(osds) if number not in present]

    def make(numbers: list[int]) -> None:
        keyring = {"keyring": cluster.keyring_path}
        with rados.Rados(conffile=cluster.conf_path, name="client.admin", conf=keyring) as client:
            for number in numbers:
                command = {"prefix": "osd new", "uuid": str(uuid.uuid4()), "id": number}
                status, _, said = client.mon_command(json.dumps(command), b"")
                if status != 0:
                    raise RuntimeError(f"osd new {number}: {said}")

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(make, [missing[n::_CONNECTIONS] for n in range(_CONNECTIONS)]))


def reads(cluster: CephCluster, osds: int) -> dict[str, float]:
    """Return what the module measured, when it had the whole map: it gets it epoch by epoch."""
    end = time.monotonic() + _DEADLINE
    while True:
        result = cluster.ceph("reads", deadline_s=_DEADLINE)
        if result.returncode != 0:
            sys.exit(result.err)
        told: dict[str, float] = json.loads(result.out)
        if told["osds"] >= osds:
            return told
        if time.monotonic() > end:
            sys.exit(f"ceph-mgr knows {told['osds']} of {osds} OSDs")


def main() -> None:
    osds = int(sys.argv[1])
    module = Path(__file__).resolve().parent / "peer_modules/reads"
    with (
        tempfile.TemporaryDirectory(prefix="outpost-peer-", dir="/tmp") as directory,
        CephCluster(directory, osds=1, mgr_modules=[module]) as cluster,
    ):
        grow(cluster, osds)
        print(json.dumps(reads(cluster, osds)))


if __name__ == "__main__":
    main()
