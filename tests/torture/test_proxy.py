"""The proxy breaks what it is told to, counts it, and ends without a word."""

from __future__ import annotations

import json
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.proxy import SET_UP

HELLO = b"\0\0\0\0user\0me\0application_name\0actorq settler\0\0"


class Echo(socketserver.ThreadingUnixStreamServer):
    """Answer each request with itself, and remember it."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.heard: list[bytes] = []
        super().__init__(str(path), Answer)


class Answer(socketserver.BaseRequestHandler):
    server: Echo

    def handle(self) -> None:
        while data := self.request.recv(1000):
            self.server.heard.append(data)
            self.request.sendall(data)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Echo]:
    with Echo(tmp_path / "socket") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def dial(port: int) -> socket.socket:
    """Connect, and come as far as a client is before it does what it was made for."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    for n in range(SET_UP):
        assert asked(client, HELLO if n == 0 else b"set-up %d" % n)
    return client


def asked(client: socket.socket, what: bytes) -> bool:
    """Tell whether a request is answered."""
    client.sendall(what)
    try:
        return client.recv(1000) == what
    except ConnectionResetError:
        return False


def test_requests_are_lost_before_or_after_the_server_has_them(server: Echo) -> None:
    command = [sys.executable, "-m", "tests.torture.proxy", str(server.server_address), "1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as proxy:
        assert proxy.stdin
        assert proxy.stdout
        (port,) = json.loads(proxy.stdout.readline())
        for do, arrives in (("cut_before", False), ("cut_after", True)):
            with dial(port) as client, dial(port) as bystander:
                for who in ("nobody", "settler"):
                    order = {"door": 0, "do": do, "who": who}
                    proxy.stdin.write(json.dumps(order) + "\n")
                    proxy.stdin.flush()
                what, n_answered = do.encode(), 0
                while asked(client, what):  # until the order has come
                    n_answered += 1
                assert server.heard.count(what) == n_answered + arrives
                assert asked(bystander, b"somebody else's")
        left = dial(port)
        said, errors = proxy.communicate()
        assert json.loads(said) == {"cut_before": 1, "cut_after": 1}
        assert errors == ""
        left.close()
