"""Commands to the cluster's daemons, and its command-line tools."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from outpost import _rpc
from outpost._bound import BoundToManager
from outpost._commands import CommandResult, HandleCommandResult
from outpost._errors import CallError
from outpost.v1 import commands_pb2

_log = logging.getLogger("outpost")

_SERVICE_TYPES = ("mon", "osd", "mds", "mgr")


class MonCommandFailed(RuntimeError):
    """A command of MgrModule.check_mon_command() returned an error."""


class ClusterCommands(BoundToManager):
    """The part of MgrModule that has the cluster's daemons do something."""

    def send_command(
        self,
        result: CommandResult,
        svc_type: str,
        svc_id: str,
        command: str,
        tag: str,
        inbuf: str | None = None,
    ) -> None:
        """Send a command to a daemon of the cluster, and do not wait.

        `svc_type` is "mon", "osd", "mds" or "mgr", `svc_id` which one of them ("" for "mon":
        whichever answers). `command` is JSON, with the prefix and the arguments; `result` gets the
        answer: the return code as the daemon gave it, or a negative errno and the manager's words
        where the daemon could not be asked. With a `tag`, a module that has "command" in
        NOTIFY_TYPES hears of it in notify(NotifyType.command, tag), it alone, and after `result` is
        complete. Raises ValueError: there is no such daemon.
        """
        host = self._reach("send_command")
        request = _request(svc_type, svc_id, command, tag, inbuf)
        finish = host.tagged_commands.begin(tag) if tag else None

        def done(
            response: commands_pb2.SendClusterCommandResponse | None, error: CallError | None
        ) -> None:
            try:
                result.complete(*_outcome(response, error))
            finally:
                if finish is not None:
                    finish()

        try:
            host.client.start(
                _rpc.SEND_CLUSTER_COMMAND,
                request,
                timeout=host.settings.work_timeout,
                done=done,
            )
        except BaseException:
            if finish is not None:
                finish()
            raise

    def mon_command(
        self, cmd_dict: Mapping[str, Any], inbuf: str | None = None
    ) -> tuple[int, str, str]:
        """Send a command to a monitor and wait: the return value, the output, the status text."""
        return self.tell_command("mon", "", cmd_dict, inbuf)

    def check_mon_command(
        self, cmd_dict: Mapping[str, Any], inbuf: str | None = None
    ) -> HandleCommandResult:
        """Do as mon_command() does; raises MonCommandFailed if it returned an error."""
        result = HandleCommandResult(*self.mon_command(cmd_dict, inbuf))
        if result.retval:
            raise MonCommandFailed(
                f"{cmd_dict['prefix']} failed: {result.stderr} retval: {result.retval}"
            )
        return result

    def osd_command(
        self, cmd_dict: Mapping[str, Any], inbuf: str | None = None
    ) -> tuple[int, str, str]:
        """Send a command to the OSD whose number is cmd_dict["id"], and wait; see mon_command().

        Raises ValueError: there is no such number.
        """
        if "id" not in cmd_dict:
            raise ValueError('osd_command(): cmd_dict has no "id", the number of the OSD')
        return self.tell_command("osd", str(cmd_dict["id"]), cmd_dict, inbuf)

    def tell_command(
        self,
        daemon_type: str,
        daemon_id: str,
        cmd_dict: Mapping[str, Any],
        inbuf: str | None = None,
    ) -> tuple[int, str, str]:
        """Send a command to a daemon, as `ceph tell` does, and wait; see send_command()."""
        host = self._reach("tell_command")
        request = _request(daemon_type, daemon_id, json.dumps(cmd_dict), "", inbuf)
        try:
            response = host.client.call(
                _rpc.SEND_CLUSTER_COMMAND, request, timeout=host.settings.work_timeout
            )
        except CallError as error:
            return _outcome(None, error)
        return _outcome(response, None)

    def tool_exec(
        self, args: Sequence[str], timeout: int = 10, stdin: bytes | None = None
    ) -> tuple[int, str, str]:
        """Run one of Ceph's command-line tools with the manager's keys, and wait.

        `args` is the tool and its arguments, `timeout` in seconds. Returns the exit status and the
        output; -ETIMEDOUT or -ENOENT, and why, where it did not end or is not there. Raises what
        get_ceph_option() does where the cluster has no keyring.
        """
        import subprocess

        tool, *rest = args
        keyring = str(self._reach("tool_exec").cluster_option("", "keyring"))
        name = f"mgr.{self._reach('tool_exec').manager.manager_id}"
        try:
            done = subprocess.run(
                [tool, "-k", keyring, "-n", name, *rest],
                input=stdin,
                timeout=timeout,
                capture_output=True,
            )
        except subprocess.TimeoutExpired as error:
            _log.error("%s", error)
            return -errno.ETIMEDOUT, "", str(error)
        except OSError as error:
            _log.error("%s", error)
            return -(error.errno or errno.EIO), "", str(error)
        return (
            done.returncode,
            done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"),
        )

    def send_rgwadmin_command(
        self, args: Sequence[str], stdout_as_json: bool = True
    ) -> tuple[int, Any, str]:
        """Run radosgw-admin, and wait; see tool_exec(). With `stdout_as_json` parse its output."""
        code, output, errors = self.tool_exec(["radosgw-admin", *args])
        if code == 0 and stdout_as_json:
            return code, json.loads(output), errors
        return code, output, errors


def _request(
    svc_type: str, svc_id: str, command: str, tag: str, inbuf: str | None
) -> commands_pb2.SendClusterCommandRequest:
    if svc_type not in _SERVICE_TYPES:
        raise ValueError(f"unknown service type: {svc_type}")
    if svc_type == "osd" and not str(svc_id).isdecimal():
        raise ValueError(f'invalid osd_id: "{svc_id}"')
    return commands_pb2.SendClusterCommandRequest(
        service_type=svc_type,
        service_id=str(svc_id),
        command_json=command,
        inbuf=(inbuf or "").encode("utf-8", "surrogateescape"),
        tag=tag,
    )


def _outcome(
    response: commands_pb2.SendClusterCommandResponse | None, error: CallError | None
) -> tuple[int, str, str]:
    if response is None:
        return -(error.error_number if error else errno.EIO), "", str(error)
    answer = response.result
    text = answer.stdout or answer.stdout_bytes.decode("utf-8", "surrogateescape")
    return answer.retval, text, answer.stderr
