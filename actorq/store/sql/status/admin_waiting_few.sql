-- Count what waits in the lanes that have few rows in `ready`, which a sample may have missed.
-- Reads only.
-- Parameters:
--   most  int8  up to how many rows count as few
-- Returns a row per such lane, as admin_waiting.sql does.
-- Locks: none. Index: ready_pkey, once for each lane.
SELECT l.id AS lane, w.n_due, w.n_scheduled, w.n_retrying, w.n_suspect, w.oldest_s, w.next_in_s
FROM {schema}.lane l, LATERAL (
    SELECT count(*) AS n_rows,
        sum(r.n) FILTER (WHERE r.suspect = 0 AND r.run_at <= statement_timestamp()) AS n_due,
        sum(r.n) FILTER (WHERE r.suspect = 0 AND r.run_at > statement_timestamp()) AS n_scheduled,
        sum(r.n) FILTER (WHERE r.again) AS n_retrying,
        sum(r.n) FILTER (WHERE r.suspect <> 0) AS n_suspect,
        extract(epoch FROM statement_timestamp() - min(r.run_at))::float8 AS oldest_s,
        extract(epoch FROM min(r.run_at) FILTER (WHERE r.run_at > statement_timestamp())
            - statement_timestamp())::float8 AS next_in_s
    FROM (
        SELECT r.suspect, r.run_at, r.again, coalesce(cardinality(r.jobs), 1) AS n
        FROM {schema}.ready r
        WHERE r.lane = l.id
        ORDER BY r.lane, r.suspect, r.priority, r.run_at, r.id
        LIMIT :most::int8 + 1
    ) r
) w
WHERE w.n_rows <= :most::int8;
