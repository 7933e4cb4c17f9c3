"""Ask for the status of a database with a backlog of millions, as a program does that watches it.

Times are those of the command in a process that runs already, from its start to its end, so with
the connection; the interpreter's own start is not counted. The hour before was a busy one.
"""

from __future__ import annotations

from bench import _harness as h
from bench._admin_fill import fill
from bench.admin import timed

MINUTES = """
INSERT INTO actorq.minute (at, lane, source, n_completed, n_failed, n_retried, n_snoozed,
    n_cancelled, n_batches, waited, ran, sizes, cuts)
SELECT date_trunc('minute', now(), 'UTC') - m * interval '1 minute', l.id, n.node, 60000, 3, 5, 0,
    0, 60, w.buckets, r.buckets, '{"1000": 60}', '{"full": 58, "idle": 2}'
FROM generate_series(1, 1500) m, actorq.lane l,
    (SELECT gen_random_uuid() AS node FROM generate_series(1, {nodes}) OFFSET 0) n,
    (SELECT json_object_agg(b, 1000) AS buckets FROM generate_series(200, 259) b) w,
    (SELECT json_object_agg(b, 6000) AS buckets FROM generate_series(250, 259) b) r
"""
"""Of jobs that have waited for 3 to 30 ms, in batches that have run for 20 to 30 ms."""

CHANGES = """
INSERT INTO actorq.change (source, no, counts, times)
SELECT n.node, c, json_build_array(json_build_array(l.id, 1000, 0, 0, 0, 0)), json_build_object(
    l.id::text, json_build_object('b', 1, 'w', f.buckets, 'r', '{"250": 1000}'::json,
        's', '{"1000": 1}'::json, 'c', '{"full": 1}'::json)
)
FROM generate_series(1, {changes}) c JOIN actorq.lane l ON l.id = 1 + c % 4,
    (SELECT gen_random_uuid() AS node FROM generate_series(1, {nodes}) OFFSET 0) n,
    (SELECT json_object_agg(b, 100) AS buckets FROM generate_series(200, 209) b) f
"""
"""As a hundred settles a second leave them: of three supervisors, one folds every three seconds."""


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=21,
        waiting=(5_000_000, 4_000, "jobs that wait"),
        dead=(100_000, 2_000, "dead letters"),
        done=(10_000_000, 4_000, "completed jobs"),
        nodes=(3, 2, "supervisors"),
        changes=(170, 50, "changes of each that are not folded yet"),
    )
    with h.server() as host, h.database(host) as dsn:
        h.say(f"on {host.text}")
        fill(dsn, options.waiting, options.dead, options.done)
        for text in (MINUTES, CHANGES):
            text = text.replace("{nodes}", str(options.nodes))
            h.run(dsn, text.replace("{changes}", str(options.changes)))
        h.run(dsn, "ANALYZE actorq.minute, actorq.change")
        spans = [timed(dsn, "status", "--json") for _ in range(options.repeat + 1)][1:]
        figures = h.percentiles([whole_s for _, whole_s in spans])
        h.report(options, host, {key: figures[key] for key in ("p50_ms", "p99_ms")})


if __name__ == "__main__":
    main()
