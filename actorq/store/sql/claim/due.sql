-- Return for each lane whether something is due, when the next job is due, and which groups of
-- suspects have due jobs.
-- Parameters:
--   lanes      int4[]  the lanes to look at
--   behind_us  int8[]  ten elements per lane, one for each priority: the run_at behind which to
--                      look
--   behind_id  int8[]  ten elements per lane: the id at that run_at behind which to look
-- Groups are searched for on both sides of 0, the group of nearly all jobs, because that begins
-- with the dead entries of everything claimed since the last vacuum.
-- Locks: none. Index: ready_pkey.
SELECT l.lane,
    EXISTS (
        SELECT FROM generate_series(0, 9) p, LATERAL (
            SELECT FROM {schema}.ready r
            WHERE r.lane = l.lane AND r.suspect = 0 AND r.priority = p::int2
              AND (r.run_at, r.id) > (
                  timestamptz 'epoch'
                      + (:behind_us::int8[])[10 * l.o - 9 + p] * interval '1 microsecond',
                  (:behind_id::int8[])[10 * l.o - 9 + p]
              )
              AND r.run_at <= statement_timestamp()
            LIMIT 1
        ) r
    ) AS due,
    (
        SELECT extract(epoch FROM min(r.run_at) - clock_timestamp())::float8
        FROM generate_series(0, 9) p, LATERAL (
            SELECT r.run_at FROM {schema}.ready r
            WHERE r.lane = l.lane AND r.suspect = 0 AND r.priority = p::int2
              AND r.run_at > statement_timestamp()
            ORDER BY r.run_at LIMIT 1
        ) r
    ) AS next_in_s,
    ARRAY(
        WITH RECURSIVE present (suspect) AS (
            (
                SELECT 0
                UNION ALL
                (
                    SELECT r.suspect FROM {schema}.ready r
                    WHERE r.lane = l.lane AND r.suspect < 0 ORDER BY r.suspect LIMIT 1
                )
            )
            UNION ALL
            SELECT (
                SELECT r.suspect FROM {schema}.ready r
                WHERE r.lane = l.lane AND r.suspect > s.suspect
                  AND r.suspect < CASE WHEN s.suspect < 0 THEN 0 ELSE 2147483648 END
                ORDER BY r.suspect LIMIT 1
            )
            FROM present s WHERE s.suspect IS NOT NULL
        )
        SELECT s.suspect FROM present s
        WHERE s.suspect <> 0 AND EXISTS (
            SELECT FROM generate_series(0, 9) p, LATERAL (
                SELECT FROM {schema}.ready r
                WHERE r.lane = l.lane AND r.suspect = s.suspect
                  AND r.priority = p::int2 AND r.run_at <= statement_timestamp()
                LIMIT 1
            ) r
        )
        LIMIT 64
    ) AS suspects
FROM unnest(:lanes::int4[]) WITH ORDINALITY l (lane, o)
