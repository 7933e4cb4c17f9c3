-- Return who holds a job under a lease: one row, or none.
-- Parameters:
--   id  int8  the job
-- Locks: none. Index: node_pkey; every lease is read.
SELECT l.node::text AS node, l.n AS lease, n.host, n.pid,
    extract(epoch FROM clock_timestamp() - l.claimed_at)::float8 AS held_s
FROM {schema}.leased l
LEFT JOIN {schema}.node n ON n.id = l.node
WHERE l.id = :id::int8;
