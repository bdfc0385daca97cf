"""Test a module without a server.

    from outpost.testing import FakeManager

    def test_hello():
        with FakeManager() as manager:
            hello = manager.start_module("modules/hello")
            assert hello.run("hello").stdout == "Hello, world!"
            hello.set_option("place", "Mars")
            assert hello.run("hello").stdout == "Hello, Mars!"

The module runs in the test's process, so that a debugger and monkeypatches reach it; all that it
asks of its manager goes over a real socket to a FakeManager, which answers from what the test has
put into it. Nothing here needs pytest.
"""

from outpost.testing._manager import ClusterCommand, Counter, FakeManager
from outpost.testing._refusal import Refusal
from outpost.testing._running import LogLine, RunningModule
from outpost.testing._session import FakeSession
from outpost.testing._waiting import DEADLINE, wait_until

__all__ = [
    "DEADLINE",
    "ClusterCommand",
    "Counter",
    "FakeManager",
    "FakeSession",
    "LogLine",
    "Refusal",
    "RunningModule",
    "wait_until",
]
