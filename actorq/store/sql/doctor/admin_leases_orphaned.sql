-- Count the leases whose supervisor has no row: their jobs wait for a reaper. Reads only.
-- Returns: one row.
-- Locks: none. Index: node_pkey; every lease is read.
SELECT count(*) AS n_leases, coalesce(sum(cardinality(l.jobs)), 0)::int8 AS n_jobs,
    max(extract(epoch FROM clock_timestamp() - l.claimed_at))::float8 AS oldest_s
FROM {schema}.lease l
WHERE NOT EXISTS (SELECT FROM {schema}.node n WHERE n.id = l.node);
