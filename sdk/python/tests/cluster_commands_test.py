"""What a module asks of the cluster's daemons and tools."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from probe_module import Probe

from outpost.testing import DEADLINE, Refusal, wait_until


def test_cluster_commands(probe: Probe) -> None:
    assert probe("self.mon_command({'prefix': 'osd dump'}, 'in')") == [0, "did osd dump", ""]
    sent = probe.manager.requests("Commands.SendClusterCommand")[-1]
    assert (sent.service_type, sent.service_id, sent.inbuf) == ("mon", "", b"in")
    assert json.loads(sent.command_json) == {"prefix": "osd dump"}
    code = "self.send_command(r, 'osd', '0', '{\"prefix\": \"bench\"}', 'tag-1'); r.wait()"
    assert probe(f"r = CommandResult(); {code}") == [0, "did bench", ""]
    assert probe.manager.requests("Commands.SendClusterCommand")[-1].tag == "tag-1"
    kinds, message = probe.raised("self.check_mon_command({'prefix': 'fail'})")
    assert kinds[0] == "MonCommandFailed"
    assert message == "fail failed: no such thing retval: -2"
    kinds, message = probe.raised("self.send_command(CommandResult(), 'x', '', '{}', '')")
    assert (kinds[0], message) == ("ValueError", "unknown service type: x")


def test_cluster_commands_that_the_manager_refuses(probe: Probe) -> None:
    probe.manager.refusals["Commands.SendClusterCommand"] = Refusal(
        grpc.StatusCode.UNAVAILABLE, "no cluster", "X", {"errno": "107"}
    )
    assert probe("self.mon_command({'prefix': 'x'})") == [
        -107,
        "",
        "Commands.SendClusterCommand: no cluster",
    ]


def test_commands_to_an_osd_and_to_any_daemon(probe: Probe) -> None:
    command = "{'prefix': 'perf dump', 'id': '3'}"
    assert probe(f"self.osd_command({command})") == [0, "did perf dump", ""]
    sent = probe.manager.requests("Commands.SendClusterCommand")[-1]
    assert (sent.service_type, sent.service_id) == ("osd", "3")
    assert json.loads(sent.command_json) == {"prefix": "perf dump", "id": "3"}
    assert probe("self.osd_command({'prefix': 'fail', 'id': 0})") == [-2, "", "no such thing"]
    assert probe("self.tell_command('mds', 'a', {'prefix': 'status'}, 'in')")[1] == "did status"
    sent = probe.manager.requests("Commands.SendClusterCommand")[-1]
    assert (sent.service_type, sent.service_id, sent.inbuf) == ("mds", "a", b"in")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("self.osd_command({'prefix': 'x'})", 'osd_command(): cmd_dict has no "id"'),
        ("self.osd_command({'prefix': 'x', 'id': 'abc'})", 'invalid osd_id: "abc"'),
        ("self.tell_command('osd', '*', {'prefix': 'x'})", 'invalid osd_id: "*"'),
        ("self.tell_command('rgw', 'a', {'prefix': 'x'})", "unknown service type: rgw"),
    ],
)
def test_daemons_that_there_can_not_be(probe: Probe, call: str, told: str) -> None:
    before = len(probe.manager.requests("Commands.SendClusterCommand"))
    kinds, message = probe.raised(call)
    assert kinds[0] == "ValueError"
    assert message.startswith(told)
    assert len(probe.manager.requests("Commands.SendClusterCommand")) == before


def test_the_result_is_there_when_notify_hears_of_its_tag(probe: Probe) -> None:
    gate, before = threading.Event(), probe.manager.cluster_command

    def answer_late(*request: Any) -> tuple[int, str, str]:
        probe.manager.notify("command", "t-1")
        gate.wait(DEADLINE)
        return before(*request)

    probe.manager.cluster_command = answer_late
    probe(
        "self.tagged['t-1'] = CommandResult('t-1');"
        " self.send_command(self.tagged['t-1'], 'mon', '', '{\"prefix\": \"x\"}', 't-1')"
    )
    assert probe("self.heard.wait(0.2)") is False, "the manager has told, the result is not there"
    gate.set()
    wait_until(
        lambda: any(line.endswith("command t-1 True") for line in probe.session.log_lines()),
        "notify()",
    )
    probe.manager.cluster_command = before


TOOL = """#!/bin/sh
case $5 in
  fail) echo "no such image" >&2; exit 2 ;;
  json) echo '{"a": 1}' ;;
  *) echo "$@"; cat ;;
esac
"""


@pytest.fixture
def tool(tmp_path: Path) -> str:
    path = tmp_path / "tool"
    path.write_text(TOOL)
    path.chmod(0o755)
    return str(path)


def test_tools_run_with_the_keys_of_the_manager(probe: Probe, tool: str) -> None:
    probe.manager.cluster_options["keyring"] = "/etc/keyring"
    args = [tool, "list", "a b"]
    code = f"args = {args}; answer = self.tool_exec(args, stdin=b'in'); [*answer, args]"
    told = "-k /etc/keyring -n mgr.x list a b\nin"
    assert probe(code) == [0, told, "", args]
    assert probe(f"self.tool_exec([{tool!r}, 'fail'])") == [2, "", "no such image\n"]
    status, _, why = probe(f"self.tool_exec([{tool!r} + '-not', 'x'])")
    assert status == -2
    assert "No such file or directory" in why
    assert probe("self.tool_exec(['/bin/sh', '-c', 'sleep 60'])")[0] != 0, "sh knows no -k"


def test_a_tool_that_takes_too_long(probe: Probe, tmp_path: Path) -> None:
    probe.manager.cluster_options["keyring"] = "/etc/keyring"
    path = tmp_path / "slow"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)
    status, _, why = probe(f"self.tool_exec([{str(path)!r}], timeout=0.2)")
    assert status == -110
    assert "timed out" in why


def test_radosgw_admin(probe: Probe, tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    probe.manager.cluster_options["keyring"] = "k"
    Path(tool).rename(Path(tool).with_name("radosgw-admin"))
    probe(f"os.environ.update(PATH={str(Path(tool).parent)!r} + ':' + os.environ['PATH'])")
    assert probe("self.send_rgwadmin_command(['json'])") == [0, {"a": 1}, ""]
    assert probe("self.send_rgwadmin_command(['json'], False)") == [0, '{"a": 1}\n', ""]
    assert probe("self.send_rgwadmin_command(['fail'])") == [2, "", "no such image\n"]


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
