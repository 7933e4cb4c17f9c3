"""Drain no-op jobs beside millions of finished rows, and without them."""

from __future__ import annotations

from bench import _harness as h
from bench import _runs

CHUNK = 1_000_000
INSERT = """
INSERT INTO actorq.job (kind, args, state, attempt, attempted_at, finalized_at)
SELECT 'bench.noop', json_build_object('n', n, 's', repeat('x', 80)), 'completed', 1, now(), now()
FROM generate_series(1, {n}) n
"""


def load(dsn: str, rows: int) -> None:
    """Put finished jobs into a database, and wait until autovacuum would have nothing to do."""
    for start in range(0, rows, CHUNK):
        h.run(dsn, INSERT.format(n=min(CHUNK, rows - start)))
    h.analyze(dsn)
    h.say(f"{rows:,} finished rows are there")


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=9,
        jobs=(200_000, 2_000, "jobs per run"),
        batch=(1000, 200, "jobs per batch"),
        rows=(10_000_000, 5_000, "finished rows"),
    )
    with h.server() as host, h.database(host) as full:
        h.say(f"on {host.text}")
        load(full, options.rows)

        def once(name: str) -> dict[str, float]:
            if name == "with":
                return _runs.drain(host, full, options.jobs, options.batch)
            with h.database(host) as dsn:
                return _runs.drain(host, dsn, options.jobs, options.batch)

        h.report(options, host, _runs.against(("with", "without"), once, options.repeat))


if __name__ == "__main__":
    main()
