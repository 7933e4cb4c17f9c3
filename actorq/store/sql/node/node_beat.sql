-- Say that a supervisor lives, and read its leases.
-- $1 node. Returns: 1, or 0 if its row is gone; the numbers of its leases.
-- Locks: node. Index: node_pkey, lease_pkey.
WITH me AS (
    UPDATE {schema}.node SET beat_at = clock_timestamp() WHERE id = $1::uuid RETURNING id
)
SELECT (SELECT count(*) FROM me), ARRAY(SELECT n FROM {schema}.lease WHERE node = $1::uuid)
