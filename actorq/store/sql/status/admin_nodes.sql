-- List the supervisors that the database knows, with what they hold. Reads only.
-- Returns a row per node.
-- Locks: none. Index: lease_pkey; all of node is read.
SELECT n.id::text AS node, n.host, n.pid,
    extract(epoch FROM clock_timestamp() - n.started_at)::float8 AS up_s,
    extract(epoch FROM clock_timestamp() - n.beat_at)::float8 AS beat_age_s,
    n.ttl_s::float8 AS ttl_s,
    count(l.n) AS n_batches,
    coalesce(sum(
        CASE WHEN l.open IS NULL THEN cardinality(l.jobs) ELSE bit_count(l.open) END
    ), 0)::int8 AS n_running
FROM {schema}.node n
LEFT JOIN {schema}.lease l ON l.node = n.id
GROUP BY n.id
ORDER BY n.started_at;
