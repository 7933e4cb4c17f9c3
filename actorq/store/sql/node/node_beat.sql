-- Record that a supervisor lives, and read its leases.
-- Parameters:
--   node  uuid  the supervisor
-- Returns: 1, or 0 if its row is gone; the numbers of its leases.
-- Locks: node. Index: node_pkey, lease_pkey.
WITH me AS (
    UPDATE {schema}.node SET beat_at = clock_timestamp() WHERE id = :node::uuid RETURNING id
)
SELECT (SELECT count(*) FROM me), ARRAY(SELECT n FROM {schema}.lease WHERE node = :node::uuid)
