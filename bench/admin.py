"""Look at a database of five million jobs, and change it, as a person does with the commands.

Times are those of the commands in a process that runs already: to their first line, or to their
end. The interpreter's own start, some 0.15 s, is not counted.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from actorq.cli import main as actorq
from bench import _harness as h
from bench._admin_fill import fill

WEEK_S = 604_800


class Watched(io.TextIOBase):
    """Take what is printed and keep the instant of the first line."""

    def __init__(self) -> None:
        self.first_at: float | None = None

    def write(self, text: str) -> int:
        """Note the first text that is more than the end of a line."""
        if self.first_at is None and text.strip():
            self.first_at = time.perf_counter()
        return len(text)


@contextmanager
def watched() -> Iterator[Watched]:
    """Have everything printed to a watched output; what goes to stderr is let through."""
    before, sys.stdout = sys.stdout, Watched()
    try:
        yield sys.stdout
    finally:
        sys.stdout = before


def timed(dsn: str, *words: object) -> tuple[float, float]:
    """Run a command; return the seconds to its first line and to its end."""
    with watched() as output:
        begun = time.perf_counter()
        code = actorq([str(words[0]), "--dsn", dsn, *map(str, words[1:])])
        ended = time.perf_counter()
    if code:
        raise SystemExit(f"actorq {words[0]} ended with exit code {code}")
    return (output.first_at or ended) - begun, ended - begun


def first_ms(dsn: str, n: int, *words: object) -> float:
    """Return the median of the milliseconds to the first line."""
    return h.median([timed(dsn, *words)[0] * 1000 for _ in range(n)], 1)


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=5,
        waiting=(2_000_000, 4_000, "jobs that wait"),
        dead=(1_000_000, 2_000, "dead letters"),
        done=(2_000_000, 4_000, "completed jobs"),
    )
    n = options.repeat
    prune = ("prune", "--older-than-s", WEEK_S)
    with h.server() as host, h.database(host) as dsn:
        h.say(f"on {host.text}")
        begun = time.perf_counter()
        fill(dsn, options.waiting, options.dead, options.done)
        figures = {"fill_s": round(time.perf_counter() - begun, 1)}
        figures["status_ms"] = first_ms(dsn, n, "status")
        for state in ("ready", "retrying", "scheduled", "failed"):
            figures[f"jobs_{state}_ms"] = first_ms(dsn, n, "jobs", "--state", state)
        first_s, whole_s = timed(dsn, "doctor")
        figures["doctor_ms"], figures["doctor_s"] = round(first_s * 1000, 1), round(whole_s, 1)
        figures["prune_first_s"] = round(timed(dsn, *prune)[1], 1)
        idle = [timed(dsn, *prune)[1] * 1000 for _ in range(n)]
        figures["prune_idle_ms"] = h.median(idle, 1)
        _, retry_s = timed(dsn, "retry", "--state", "failed", "--limit", options.dead)
        figures["retry_jobs_per_s"] = round(options.dead / retry_s)
        h.report(options, host, figures)


if __name__ == "__main__":
    main()
