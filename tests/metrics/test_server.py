"""The server that is scraped: where it listens, and what it answers."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric

from actorq.errors import ConfigError
from actorq.metrics.address import address
from actorq.metrics.server import Health, served


class Source:
    """Be scraped, and be as healthy as told."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> list[Metric]:
        return [GaugeMetricFamily("actorq_test", "A test.", 7)]

    def health(self) -> Health:
        return self._health


def get(url: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as reply:
            return reply.status, reply.headers["Content-Type"], reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_metrics_and_health_are_answered_and_nothing_else() -> None:
    with served("--metrics", "127.0.0.1", 0, Source(Health(True, []))) as url:
        status, kind, text = get(url)
        assert (status, kind.split(";")[0]) == (200, "text/plain")
        assert "actorq_test 7.0" in text
        assert "process_cpu_seconds_total" in text
        health = url.replace("/metrics", "/healthz")
        status, kind, text = get(health)
        assert (status, kind, json.loads(text)["healthy"]) == (200, "application/json", True)
        assert get(url.replace("/metrics", "/"))[0] == 404
    with pytest.raises(OSError):
        get(url)


def test_what_is_not_healthy_is_503_with_the_reasons() -> None:
    with served("--metrics", "127.0.0.1", 0, Source(Health(False, ["no luck"]))) as url:
        status, _, text = get(url.replace("/metrics", "/healthz"))
    assert (status, json.loads(text)["reasons"]) == (503, ["no luck"])


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(
                ConfigError, match=rf"127\.0\.0\.1:{port}: cannot listen there: .*in use"
            ),
            served("--metrics", "127.0.0.1", port, Source(Health(True, []))),
        ):
            pass


def test_a_host_that_is_none_is_named() -> None:
    with (
        pytest.raises(ConfigError, match=r"no-such-host\.invalid:9: cannot listen"),
        served("--listen", "no-such-host.invalid", 9, Source(Health(True, []))),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("9711", ("127.0.0.1", 9711)),
        (":9711", ("127.0.0.1", 9711)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:9711", ("::1", 9711)),
        ("board.example:80", ("board.example", 80)),
    ],
)
def test_an_address_is_this_machine_unless_it_names_a_host(
    text: str, found: tuple[str, int]
) -> None:
    assert address("--metrics", text) == found


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "1:70000", "::1:9711", "-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="give HOST:PORT"):
        address("--metrics", text)
