"""Signature against ceph_argparse, over every command that a real Ceph cluster describes."""

import json
import os
import pathlib
import unittest

import rados
from signature_differential import Case, Differential

from tests.integration.ceph.cluster import CephCluster

LISTS_PER_SIGNATURE = 15
# Modules of the mgr whose commands are described, beside those of the monitors.
MGR_MODULES = (
    "balancer",
    "crash",
    "devicehealth",
    "iostat",
    "orchestrator",
    "pg_autoscaler",
    "progress",
    "rbd_support",
    "status",
    "telemetry",
    "volumes",
)


def as_text(signature):
    """A described signature, as a module would declare it."""
    return " ".join(
        piece
        if isinstance(piece, str)
        else ",".join(f"{key}={value}" for key, value in piece.items())
        for piece in signature
    )


class SignatureCephTest(Differential):
    @classmethod
    def setUpClass(cls):
        workdir = pathlib.Path(os.environ["TEST_TMPDIR"]) / "ceph"
        with (
            CephCluster(workdir, osds=1, mgr_modules=MGR_MODULES) as cluster,
            rados.Rados(conffile=cluster.conf_path) as client,
        ):
            rc, text, status = client.mon_command(
                json.dumps({"prefix": "get_command_descriptions"}), b"", timeout=30
            )
        assert rc == 0, status
        described = json.loads(text)
        cls.cases = [Case(text) for text in sorted({as_text(c["sig"]) for c in described.values()})]

    def test_usage(self):
        self.compare_usage()

    def test_words(self):
        self.assertGreater(len(self.cases), 400)
        accepted, refused, _ = self.compare_words(LISTS_PER_SIGNATURE)
        self.assertGreater(accepted, 2000)
        self.assertGreater(refused, 1000)


if __name__ == "__main__":
    unittest.main()
