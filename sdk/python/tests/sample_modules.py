"""Modules that several tests run."""

from __future__ import annotations

WAITING = """
class Sample(MgrModule):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.stop = threading.Event()

    def serve(self):
        self.log.info("serve starts")
        self.stop.wait()
        self.log.info("serve ends")

    def shutdown(self):
        self.stop.set()

    @CLIReadCommand("pid")
    def pid(self):
        return 0, str(os.getpid()), ""
"""

SILENT = """
class Sample(MgrModule):
    @CLIReadCommand("echo")
    def echo(self, word: str):
        return 0, word, ""
"""
