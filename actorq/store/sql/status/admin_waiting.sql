-- Count what waits on some of the pages of `ready`, by lane. Reads only.
-- Parameters:
--   percent  real  how many of the pages
-- Returns a row per lane that was met.
-- Locks: none. Index: none, pages are taken at random, or all of them.
SELECT r.lane,
    sum(r.n) FILTER (WHERE r.suspect = 0 AND r.run_at <= statement_timestamp()) AS n_due,
    sum(r.n) FILTER (WHERE r.suspect = 0 AND r.run_at > statement_timestamp()) AS n_scheduled,
    sum(r.n) FILTER (WHERE r.again) AS n_retrying,
    sum(r.n) FILTER (WHERE r.suspect <> 0) AS n_suspect,
    extract(epoch FROM statement_timestamp() - min(r.run_at))::float8 AS oldest_s,
    extract(epoch FROM min(r.run_at) FILTER (WHERE r.run_at > statement_timestamp())
        - statement_timestamp())::float8 AS next_in_s
FROM (
    SELECT r.lane, r.suspect, r.run_at, r.again, coalesce(cardinality(r.jobs), 1) AS n
    FROM {schema}.ready r TABLESAMPLE SYSTEM (:percent::real)
) r
GROUP BY r.lane;
