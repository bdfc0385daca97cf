"""The HTTP side by itself: addresses, and places for connections."""

import contextlib
import http.client
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prometheus import http_server  # noqa: E402
from prometheus.http_server import MOST_CONNECTIONS, HttpServer  # noqa: E402

PATIENCE = 20.0


@contextlib.contextmanager
def serving(address: str) -> Iterator[HttpServer]:
    server = HttpServer(address, 0, lambda: b"metrics\n")
    try:
        yield server
    finally:
        server.close()


def get(server: HttpServer, host: str = "127.0.0.1") -> bytes:
    connection = http.client.HTTPConnection(host, server.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return connection.getresponse().read()


@pytest.mark.parametrize("address", ["a" * 300, "no.such..host", "999.1.1.1"])
def test_what_is_no_address_is_an_os_error(address: str) -> None:
    with pytest.raises(OSError, match=r"."):
        HttpServer(address, 0, bytes)


def test_ipv6() -> None:
    try:
        with serving("::1") as server:
            assert get(server, "::1") == b"metrics\n"
    except OSError as error:
        pytest.skip(f"this host has no IPv6: {error}")


def test_a_connection_without_a_thread_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with serving("127.0.0.1") as server:
        with monkeypatch.context() as patch:
            patch.setattr(http_server.socketserver.threading, "Thread", NoThread)
            for _ in range(MOST_CONNECTIONS + 1):
                with pytest.raises((OSError, http.client.HTTPException)):
                    get(server)
        assert get(server) == b"metrics\n"


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:], __file__]))
