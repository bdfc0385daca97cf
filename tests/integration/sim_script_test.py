"""--sim-script: what befalls a simulated cluster, as modules and operators see it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fixture import DEADLINE, OUTPOSTD, Manager, run_tests, until
from outpost.v1 import notifications_pb2, notifications_pb2_grpc

_SCRIPT = """\
at 20s  osd 3 down for 60s     # a comment
at 30s  log warn slow requests on osd.3
at 120s host host2 down for 60s
at 300s pool rbd fill 96% over 30s
at 600s pool rbd fill 20%
at 700s log info the end
"""


def test_what_befalls_the_cluster(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(_SCRIPT)
    flags = ["--sim-osds", "9", "--sim-speed", "20", "--sim-script", script]
    with Manager(flags=flags) as manager:
        stream = manager.stub(notifications_pb2_grpc.NotificationsStub).Subscribe(
            notifications_pb2.SubscribeRequest(types=["clog"]), timeout=4 * DEADLINE
        )
        next(stream)
        said: list[Any] = []
        while not said or said[-1]["message"] != "the end":
            said.append(json.loads(next(stream).notification.payload_json))
        stream.cancel()
        texts = [entry["message"] for entry in said]
        slow = texts.index("slow requests on osd.3")
        assert (said[slow]["name"], said[slow]["priority"]) == ("mon.a", "[WRN]")
        for code in ("OSD_DOWN", "PG_DEGRADED", "OSD_HOST_DOWN"):
            failed = next(i for i, t in enumerate(texts) if "failed" in t and f"({code})" in t)
            cleared = next(i for i, t in enumerate(texts) if f"cleared: {code} " in t)
            assert failed < cleared, texts
        assert any("(POOL_FULL)" in t or "(POOL_NEARFULL)" in t for t in texts), texts
        assert texts.index("slow requests on osd.3") < next(
            i for i, t in enumerate(texts) if "(OSD_HOST_DOWN)" in t
        )
        until("health", lambda: "HEALTH_OK" in manager.check("health"))


@pytest.mark.parametrize(
    ("text", "words"),
    [("at 1s osd 99 down", ":1: there is no OSD"), (None, "can't be read")],
)
def test_a_script_that_is_wrong_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    script = tmp_path / "script"
    if text is not None:
        script.write_text(text)
    done = subprocess.run(
        [OUTPOSTD, "--data-dir", tmp_path / "data", "--run-dir", tmp_path / "run"]
        + ["--sim-script", script],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode != 0
    assert words in done.stderr and str(script) in done.stderr


if __name__ == "__main__":
    run_tests(__file__)
