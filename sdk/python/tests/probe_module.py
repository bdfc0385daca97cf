"""A module that does what a test says, and tells what came of it."""

from __future__ import annotations

import json
from typing import Any

from outpost.testing import FakeManager, FakeSession

PROBE = """
class Sample(MgrModule):
    NOTIFY_TYPES = [NotifyType.command]
    MODULE_OPTIONS = [
        Option("text", default="t"),
        Option("int", type="int", default=-3),
        Option("uint", type="uint"),
        Option("float", type="float", default=1.5),
        Option("bool", type="bool", default=True),
        Option("size", type="size", default=4096),
        Option("secs", type="secs", default=5),
    ]

    @CLICommand("do")
    def do(self, code: str):
        # what a test wants to know of the module's side, as JSON
        import json
        names = {**globals(), "self": self}
        *lines, last = code.split("; ")
        try:
            for line in lines:
                exec(line, names)
            value = eval(last, names)
        except Exception as error:
            kinds = [kind.__name__ for kind in type(error).__mro__]
            return 0, json.dumps({"raised": kinds, "message": str(error)}), ""
        return 0, json.dumps({"value": value}), ""

    def config_notify(self):
        self.log.info("text %s", self.get_module_option("text"))

    tagged = {}
    heard = threading.Event()

    def notify(self, notify_type, notify_id):
        self.log.info("%s %s %s", notify_type, notify_id, self.tagged[notify_id].ev.is_set())
        self.heard.set()

    def add(self, a, b=0):
        return {"sum": a + b}

    def fail(self):
        raise LookupError("no way")

    def unsendable(self, what):
        return object() if what == "object" else float("nan")

    def _private(self):
        return 1

    attribute = 7
"""


class Probe:
    def __init__(self, manager: FakeManager, session: FakeSession) -> None:
        self.manager = manager
        self.session = session

    def ask(self, code: str) -> dict[str, Any]:
        result = self.session.run("do", code=code)
        assert result.retval == 0, result.stderr
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    def __call__(self, code: str) -> Any:
        answer = self.ask(code)
        assert "value" in answer, answer
        return answer["value"]

    def raised(self, code: str) -> tuple[list[str], str]:
        answer = self.ask(code)
        return answer["raised"], answer["message"]
