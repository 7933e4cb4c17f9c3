-- Count what is kept for followers, on some of the pages of `change` and of `told`. Reads only.
-- Parameters:
--   changes  real  how many percent of the pages of `change`
--   told     real  how many percent of those of `told`
-- Returns one row; ages are NULL where there is nothing.
-- Locks: none. Index: none, pages are taken at random, or all of them.
SELECT c.n AS n_changes, c.bytes AS change_bytes, t.n AS n_told, t.bytes AS told_bytes,
    extract(epoch FROM clock_timestamp() - least(c.at, t.at))::float8 AS oldest_s
FROM (
    SELECT count(*) AS n, coalesce(sum(pg_column_size(c.jobs)), 0) AS bytes, min(c.at) AS at
    FROM {schema}.change c TABLESAMPLE SYSTEM (:changes::real)
    WHERE c.jobs IS NOT NULL
) c, (
    SELECT count(*) AS n, coalesce(sum(pg_column_size(t.events)), 0) AS bytes, min(t.at) AS at
    FROM {schema}.told t TABLESAMPLE SYSTEM (:told::real)
) t;
