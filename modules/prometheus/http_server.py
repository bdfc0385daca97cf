"""The HTTP side: two pages, and patience with nobody."""

from __future__ import annotations

import errno
import http.server
import logging
import socket
import socketserver
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from .snapshots import NoDataError

_log = logging.getLogger("prometheus")

MOST_CONNECTIONS = 32
"""At once; more are closed at once."""
_SILENCE = 10.0  # seconds that a peer may take for its request, or to take in a part of the answer

_INDEX = b"""<!DOCTYPE html>
<html>
<head><title>Outpost: exporter for Prometheus</title></head>
<body>
<h1>Outpost: exporter for Prometheus</h1>
<p><a href="/metrics">Metrics</a></p>
</body>
</html>
"""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HttpServer
    timeout = _SILENCE
    server_version = "Outpost"
    sys_version = ""

    def do_GET(self) -> None:  # noqa: N802
        """Answer a request."""
        path = self.path.partition("?")[0]
        if path == "/":
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", _INDEX)
        elif path == "/metrics":
            try:
                text = self.server.metrics()
            except NoDataError as error:
                self._say(HTTPStatus.SERVICE_UNAVAILABLE, f"no metrics: {error}")
            else:
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, text)
        else:
            self._say(HTTPStatus.NOT_FOUND, f"there is no {path}; there are / and /metrics")

    do_HEAD = do_GET  # noqa: N815

    def _say(self, status: HTTPStatus, line: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", f"{line}\n".encode())

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log what http.server has to say, when somebody wants to see that much."""
        _log.debug("%s: %s", self.client_address[0], format % args)


class HttpServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Listens from when it is made until close(); a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: str, port: int, metrics: Callable[[], bytes]) -> None:
        """Listen, and serve what `metrics` returns. Raises OSError."""
        self.metrics = metrics
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            family, _, _, _, bound = socket.getaddrinfo(
                address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except UnicodeError as error:
            raise OSError(errno.EINVAL, f"no host has such a name: {error}") from None
        self.address_family = family
        super().__init__(bound, _Handler)  # type: ignore[arg-type]  # of IPv6, with its scope
        self._thread = threading.Thread(target=self.serve_forever, name="http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port; where 0 was asked for, the one that was given."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind, for IPv4, too, where the address is that of all IPv6."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks the DNS who we are

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection on a thread of its own, if there is a place for it."""
        if not self._places.acquire(blocking=False):
            _log.warning(
                "%s: closed at once, as %d others are connected",
                client_address[0],
                MOST_CONNECTIONS,
            )
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # there is no thread for it, and so nobody to leave its place
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, then leave its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log why a connection ended early: most often, its peer has gone."""
        _log.debug("%s: the connection ended early", client_address[0], exc_info=True)

    def close(self) -> None:
        """Listen no more; answers that are on their way go on."""
        self.shutdown()
        self._thread.join()
        self.server_close()
