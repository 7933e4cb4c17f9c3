-- Return what is kept for followers: how many changes, their bytes, and the age of the oldest.
-- Locks: none. Index: none, all of change is read.
SELECT count(*) AS n, coalesce(sum(pg_column_size(c.jobs)), 0)::int8 AS n_bytes,
    extract(epoch FROM statement_timestamp() - min(c.at))::float8 AS oldest_s
FROM {schema}.change c WHERE c.jobs IS NOT NULL
