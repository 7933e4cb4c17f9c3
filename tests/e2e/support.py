"""What scenarios with bad jobs have in common: jobs by number, and what became of them."""

from __future__ import annotations

import json
from typing import Any

import psycopg

from tests.support.running import Supervisors

NOTE_EVENTS = """
    import json

    def note(event):
        with open("events", "a") as file:
            file.write(json.dumps({"event": event.name, **event.fields()}, default=str) + "\\n")

    app.events.subscribe(note)
"""
"""The end of a handlers module whose supervisors write down what happens."""


def numbers(n: int) -> list[str]:
    """Return the args of n jobs, as JSON texts."""
    return [f'{{"n": {k}}}' for k in range(n)]


def insert(dsn: str, *args: str) -> None:
    """Enqueue jobs with these args, as JSON texts."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO actorq.job (kind, args)"
            " SELECT 'vector', t::json FROM unnest(%s::text[]) t",
            [list(args)],
        )


def charged(supervisors: Supervisors) -> list[tuple[str, int, int, int]]:
    """Return state and counters of the jobs that were charged anything but a completion."""
    return supervisors.rows(
        "SELECT args->>'n', attempt, n_failed, n_crashed FROM actorq.job"
        " WHERE n_failed + n_crashed + n_lost > 0"
    )


def uncharged(supervisors: Supervisors) -> int:
    """Count the jobs that were completed, and for which nothing else was ever counted."""
    [(n,)] = supervisors.rows(
        "SELECT count(*) FROM actorq.job"
        " WHERE state = 'completed' AND attempt = 1 AND n_failed + n_crashed + n_lost = 0"
    )
    return int(n)


def events(supervisors: Supervisors, name: str) -> list[dict[str, Any]]:
    """Return the events of this name that the supervisors have noted so far."""
    path = supervisors.directory / "events"
    lines = path.read_text().splitlines() if path.exists() else []
    return [told for told in map(json.loads, lines) if told["event"] == name]


def stop_all(supervisors: Supervisors) -> None:
    """Stop what still runs, and see that the database holds nothing of it either."""
    running = [process for process in supervisors.processes if process.poll() is None]
    for process in running:
        process.terminate()
    assert [process.wait(45) for process in running] == [0] * len(running)
    for table in ("node", "lease", "hunger", "ready", "settled"):
        assert not supervisors.rows(f"SELECT * FROM actorq.{table}"), table
