"""The HTTP server that is scraped: /metrics and /healthz, in threads of its own."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from actorq.errors import ConfigError
from actorq.logs import logger

FREE_PORT = "give another port, or 0 for any free one"

SLOWEST_S = 10.0
"""How long a client may take to send its request or to take the answer."""


class Health(msgspec.Struct, frozen=True):
    """What /healthz answers: with status 200 if there are no `reasons` against it, else 503."""

    healthy: bool
    reasons: list[str]
    facts: dict[str, Any] = {}


class Source(Protocol):
    """What is scraped; its methods are called in any thread, several at a time."""

    def collect(self) -> Iterable[Metric]:
        """Return all metrics as they are now."""

    def health(self) -> Health:
        """Return whether all is well."""


@contextmanager
def served(option: str, host: str, port: int, source: Source) -> Iterator[str]:
    """Serve a source while the block runs, and yield its URL; ConfigError if that cannot be."""
    registry = CollectorRegistry()
    registry.register(_Collector(source))
    ProcessCollector(registry=registry)
    server = _bound(option, host, port, source, registry)
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{server.server_address[1]}/metrics"
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bound(
    option: str, host: str, port: int, source: Source, registry: CollectorRegistry
) -> ThreadingHTTPServer:
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = type("Server", (_Server,), {"address_family": family})
        server: ThreadingHTTPServer = made(where[:2], _handler(source, registry))
    except OSError as error:
        is_foreign = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        advice = "name an address of this machine" if is_foreign else FREE_PORT
        raise ConfigError(
            f"{option} {host}:{port}: cannot listen there: {error.strerror or error}; {advice}"
        ) from None
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        logger("actorq").debug("metrics: a request of %s failed", client_address, exc_info=True)


class _Collector(Collector):
    """A source as the registry wants it, which would otherwise collect once to learn its names."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        return self._source.collect()


def _handler(source: Source, registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        timeout = SLOWEST_S
        server_version = "actorq"
        sys_version = ""

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    encode, kind = choose_encoder(self.headers.get("Accept", ""))
                    self._answer(200, kind, encode(registry))
                case "/healthz":
                    found = source.health()
                    body = msgspec.json.encode(found) + b"\n"
                    self._answer(200 if found.healthy else 503, "application/json", body)
                case _:
                    self._answer(404, "text/plain", b"there are /metrics and /healthz\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            logger("actorq").debug("metrics: " + format, *args)

    return Answers
