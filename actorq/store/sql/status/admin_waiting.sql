-- Count what waits on some of the pages of `ready`, by lane. Reads only.
-- Parameters:
--   percent  real  how many of the pages
-- Returns a row per lane that was met.
-- Locks: none. Index: none, pages are taken at random, or all of them.
SELECT g.lane,
    (sum(g.n) FILTER (WHERE NOT g.is_suspect AND g.is_due))::int8 AS n_due,
    (sum(g.n) FILTER (WHERE NOT g.is_suspect AND NOT g.is_due))::int8 AS n_scheduled,
    (sum(g.n) FILTER (WHERE g.again))::int8 AS n_retrying,
    (sum(g.n) FILTER (WHERE g.is_suspect))::int8 AS n_suspect,
    extract(epoch FROM statement_timestamp() - min(g.first_at))::float8 AS oldest_s,
    extract(epoch FROM min(g.first_at) FILTER (WHERE NOT g.is_due)
        - statement_timestamp())::float8 AS next_in_s
FROM (
    -- Few groups first: six conditions for each row would take as long as all else.
    SELECT r.lane, r.suspect <> 0 AS is_suspect, r.run_at <= statement_timestamp() AS is_due,
        r.again, sum(coalesce(cardinality(r.jobs), 1)) AS n, min(r.run_at) AS first_at
    FROM {schema}.ready r TABLESAMPLE SYSTEM (:percent::real)
    GROUP BY 1, 2, 3, 4
) g
GROUP BY g.lane;
