-- Count the jobs that are due and those under leases. Reads only.
-- Returns one row; oldest_s is for how long the first of them has been due, NULL if none is.
-- Locks: none. Index: none; all of ready and lease is read.
SELECT r.due, r.later, r.oldest_s, l.held AS leased, l.n_leases
FROM (
    SELECT coalesce(sum(coalesce(cardinality(jobs), 1)) FILTER (WHERE is_due), 0)::int8 AS due,
        coalesce(sum(coalesce(cardinality(jobs), 1)) FILTER (WHERE NOT is_due), 0)::int8 AS later,
        extract(epoch FROM clock_timestamp() - min(run_at) FILTER (WHERE is_due))::float8
            AS oldest_s
    FROM (SELECT jobs, run_at, run_at <= clock_timestamp() AS is_due FROM {schema}.ready) r
) r, (
    SELECT coalesce(sum(
        CASE WHEN open IS NULL THEN cardinality(jobs) ELSE bit_count(open) END
    ), 0)::int8 AS held, count(*) AS n_leases
    FROM {schema}.lease
) l;
