-- Record that a supervisor lives, and read its leases.
-- Parameters:
--   node  uuid  the supervisor
-- Returns: 1, or 0 if its row is gone; the numbers of its leases; whether somebody follows what
-- supervisors do; whether somebody wants their reports.
-- Locks: node. Index: node_pkey, lease_pkey; all of follower is read.
WITH me AS (
    UPDATE {schema}.node SET beat_at = clock_timestamp() WHERE id = :node::uuid RETURNING id
)
SELECT (SELECT count(*) FROM me), ARRAY(SELECT n FROM {schema}.lease WHERE node = :node::uuid),
    EXISTS (SELECT FROM {schema}.follower f WHERE f.parts AND f.until > clock_timestamp()),
    EXISTS (SELECT FROM {schema}.follower f WHERE f.reports AND f.until > clock_timestamp())
