-- Wait for the other claims of lane $1 that take turns, and be the next until the transaction ends.
-- The lock's first half is the table's oid, so that nobody else's advisory locks are met.
-- Locks: the lane's turn, an advisory lock. Index: none of ours, pg_class by oid.
SELECT pg_advisory_xact_lock(c.oid::int4, $1::int4)
FROM pg_class c WHERE c.oid = '{schema}.ready'::regclass
