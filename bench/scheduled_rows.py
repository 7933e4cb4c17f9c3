"""Drain no-op jobs beside a million jobs of the same kind that are due later, and without them."""

from __future__ import annotations

from bench import _harness as h
from bench import _runs

INSERT = """
INSERT INTO actorq.job (kind, args, priority, run_at)
SELECT 'bench.noop', json_build_object('n', n, 's', repeat('x', 80)), n % 10,
    now() + interval '1 day' + n * interval '1 second'
FROM generate_series(1, {n}) n
"""


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=9,
        jobs=(200_000, 2_000, "jobs per run"),
        batch=(1000, 200, "jobs per batch"),
        rows=(1_000_000, 5_000, "jobs that are due later, of every priority"),
    )
    with h.server() as host, h.database(host) as full:
        h.say(f"on {host.text}")
        h.run(full, INSERT.format(n=options.rows))
        h.analyze(full)

        def once(name: str) -> dict[str, float]:
            if name == "with":
                return _runs.drain(host, full, options.jobs, options.batch)
            with h.database(host) as dsn:
                return _runs.drain(host, dsn, options.jobs, options.batch)

        h.report(options, host, _runs.against(("with", "without"), once, options.repeat))


if __name__ == "__main__":
    main()
