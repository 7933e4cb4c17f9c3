-- Lock one's own node and leases, and read what is open under them. $1 node, $2/$3 (n, seq).
-- Locks: node (KEY SHARE), then lease, in the order of $2. Index: node_pkey, lease_pkey.
WITH me AS MATERIALIZED (
    SELECT id FROM {schema}.node WHERE id = $1::uuid FOR KEY SHARE
)
SELECT l.n, l.jobs
FROM unnest($2::int8[], $3::int4[]) v (n, seq), LATERAL (
    SELECT l.n, l.jobs FROM {schema}.lease l
    WHERE l.node = $1::uuid AND l.n = v.n AND l.seq = v.seq AND (SELECT count(*) FROM me) = 1
    FOR UPDATE
) l
