"""A supervisor, and a database, that Prometheus scrapes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from actorq import embedded
from tests.support.running import Supervisors
from tests.support.wait import wait_until

HANDLERS = """
    import actorq

    app = actorq.App()

    @app.actor("double", max_batch=10, max_attempts=1)
    def double(n: int) -> int:
        if n == 13:
            raise ValueError("no luck")
        return 2 * n
"""
URL = re.compile(r"metrics at (http://\S+)")


def url_of(text: str) -> str:
    found = URL.search(text)
    assert found, text
    return found[1]


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def scrape(url: str) -> dict[tuple[str, ...], float]:
    status, text = get(url)
    assert status == 200
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def enqueue(supervisors: Supervisors, n: int) -> None:
    supervisors.python(f"from handlers import double\ndouble.enqueue_many(range({n}))")


def test_a_supervisor_counts_what_it_has_committed(supervisors: Supervisors) -> None:
    supervisors.write(HANDLERS)
    enqueue(supervisors, 100)
    supervisors.start("--metrics", "127.0.0.1:0")
    url = wait_until(lambda: url_of(supervisors.logs()))
    supervisors.wait_for(completed=99, failed=1)
    wait_until(lambda: scrape(url)["actorq_jobs_failed_total", "double", "default"] == 1)
    found = scrape(url)
    assert found["actorq_jobs_completed_total", "double", "default"] == 99
    assert found["actorq_job_wait_seconds_count", "double", "default"] >= 90
    assert found["actorq_jobs_running", "double", "default"] == 0
    assert found["actorq_actors", "double", "idle"] == 1
    assert found["actorq_kind", "double", "available"] == 1
    assert ("actorq_jobs_waiting", "double", "default", "due") in found
    assert sum(n for name, n in found.items() if name[0] == "actorq_batches_total") >= 10
    status, text = get(url.replace("/metrics", "/healthz"))
    assert (status, json.loads(text)["facts"]["kinds"]) == (200, {"double": "available"})
    assert supervisors.stop(supervisors.processes[0]) == 0


def test_without_its_database_a_supervisor_is_not_healthy(
    its_supervisors: Supervisors, server_of_its_own: embedded.Server
) -> None:
    its_supervisors.write(HANDLERS)
    its_supervisors.start("--metrics", ":0")
    url = wait_until(lambda: url_of(its_supervisors.logs())).replace("/metrics", "/healthz")
    wait_until(lambda: get(url)[0] == 200)
    with server_of_its_own.locked():
        server_of_its_own.stop()
        wait_until(lambda: get(url)[0] == 503)
        (reason, *_) = json.loads(get(url)[1])["reasons"]
        assert "no connection to the database for" in reason
        assert scrape(url.replace("/healthz", "/metrics"))[("actorq_database_up",)] == 0
    server_of_its_own.ensure()
    wait_until(lambda: get(url)[0] == 200)


def test_a_port_that_is_taken_starts_nothing(supervisors: Supervisors) -> None:
    supervisors.write(HANDLERS)
    supervisors.start("--metrics", "127.0.0.1:0")
    url = wait_until(lambda: url_of(supervisors.logs()))
    second = supervisors.start("--metrics", url.removeprefix("http://").removesuffix("/metrics"))
    assert second.wait(60) == 2
    assert "cannot listen there: Address already in use" in supervisors.logs()


def test_a_database_is_scraped_without_a_supervisor(supervisors: Supervisors) -> None:
    supervisors.write(HANDLERS)
    command = [sys.executable, "-m", "actorq", "metrics", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        command, env=supervisors.env, stdout=subprocess.PIPE, text=True
    ) as exporter:
        assert exporter.stdout is not None
        try:
            url = url_of(exporter.stdout.readline())
            scrape(url)
            enqueue(supervisors, 20)
            assert supervisors.start("--drain").wait(60) == 0
            enqueue(supervisors, 5)
            name = "actorq_jobs_completed_total", "double", "default"
            wait_until(lambda: scrape(url).get(name) == 19)
            found = scrape(url)
            assert found["actorq_jobs_failed_total", "double", "default"] == 1
            assert found["actorq_jobs_waiting", "double", "default", "due"] == 5
            assert found[("actorq_jobs_stored",)] == 25
            assert get(url.replace("/metrics", "/healthz"))[0] == 200
        finally:
            os.kill(exporter.pid, signal.SIGTERM)
    assert exporter.returncode == 0
