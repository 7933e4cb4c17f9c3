-- Lock one's own node and leases, and read what is open under them.
-- Parameters:
--   node    uuid    the supervisor
--   leases  int8[]  the numbers of its leases
--   seqs    int4[]  their sequence numbers; if one differs, the lease no longer belongs to it
-- Locks: node (KEY SHARE), then lease, in the order of leases. Index: node_pkey, lease_pkey.
WITH me AS MATERIALIZED (
    SELECT id FROM {schema}.node WHERE id = :node::uuid FOR KEY SHARE
)
SELECT l.n, l.jobs
FROM unnest(:leases::int8[], :seqs::int4[]) v (n, seq), LATERAL (
    SELECT l.n, l.jobs FROM {schema}.lease l
    WHERE l.node = :node::uuid AND l.n = v.n AND l.seq = v.seq AND (SELECT count(*) FROM me) = 1
    FOR UPDATE
) l
