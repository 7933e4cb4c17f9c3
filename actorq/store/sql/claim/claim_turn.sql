-- Wait for the other claims of a lane that take turns, and be the next until the transaction ends.
-- The lock's first half is the table's oid, so that nobody else's advisory locks are met.
-- Parameters:
--   lane  int4  whose turn to take
-- Locks: the lane's turn, an advisory lock. Index: none of ours, pg_class by oid.
SELECT pg_advisory_xact_lock(c.oid::int4, :lane::int4)
FROM pg_class c WHERE c.oid = '{schema}.ready'::regclass
