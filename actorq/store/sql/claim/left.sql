-- Count per lane what a drain leaves: jobs that are due, jobs due later, and jobs under leases. The
-- drain itself holds none when it asks.
-- Parameters:
--   lanes  int4[]  which to count in
--   most   int8    how many rows of `ready` are examined, at most, per lane, priority and side of
--                  now, because a drain beside millions of scheduled jobs must end quickly, too
-- Returns: a row per lane: the counts; whether some lease has no owner any more; the seconds until
-- the first of the later jobs is due; whether a limit was reached, so that there may be more.
-- Locks: none. Index: ready_pkey, node_pkey; all leases are read, of which there are a few per
-- supervisor.
SELECT l.lane, here.n_due, here.n_later,
    (
        SELECT coalesce(sum(coalesce(bit_count(h.open), cardinality(h.jobs))), 0)::int8
        FROM {schema}.lease h WHERE h.lane = l.lane
    ) AS n_held,
    EXISTS (
        SELECT FROM {schema}.lease h
        WHERE h.lane = l.lane AND NOT EXISTS (SELECT FROM {schema}.node n WHERE n.id = h.node)
    ) AS orphaned,
    extract(epoch FROM here.next_at - clock_timestamp())::float8 AS next_in_s,
    here.capped
FROM unnest(:lanes::int4[]) l (lane), LATERAL (
    SELECT coalesce(sum(r.n) FILTER (WHERE r.run_at <= statement_timestamp()), 0)::int8 AS n_due,
        coalesce(sum(r.n) FILTER (WHERE r.run_at > statement_timestamp()), 0)::int8 AS n_later,
        min(r.run_at) FILTER (WHERE r.run_at > statement_timestamp()) AS next_at,
        coalesce(bool_or(r.k = :most::int8), false) AS capped
    FROM (
        SELECT f.run_at, coalesce(cardinality(f.jobs), 1) AS n, f.k
        FROM generate_series(0, 9) p, LATERAL (
            (
                SELECT d.run_at, d.jobs, row_number() OVER () AS k
                FROM {schema}.ready d
                WHERE d.lane = l.lane AND d.suspect = 0 AND d.priority = p::int2
                  AND d.run_at <= statement_timestamp()
                LIMIT :most::int8
            )
            UNION ALL
            (
                SELECT s.run_at, s.jobs, row_number() OVER () AS k
                FROM (
                    SELECT s.run_at, s.jobs FROM {schema}.ready s
                    WHERE s.lane = l.lane AND s.suspect = 0 AND s.priority = p::int2
                      AND s.run_at > statement_timestamp()
                    ORDER BY s.run_at LIMIT :most::int8
                ) s
            )
        ) f
        UNION ALL
        (
            SELECT q.run_at, coalesce(cardinality(q.jobs), 1), row_number() OVER () AS k
            FROM {schema}.ready q WHERE q.lane = l.lane AND q.suspect < 0 LIMIT :most::int8
        )
        UNION ALL
        (
            SELECT q.run_at, coalesce(cardinality(q.jobs), 1), row_number() OVER () AS k
            FROM {schema}.ready q WHERE q.lane = l.lane AND q.suspect > 0 LIMIT :most::int8
        )
    ) r
) here
