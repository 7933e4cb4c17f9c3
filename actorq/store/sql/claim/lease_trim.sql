-- Remove jobs that are gone or final from a lease that was just claimed; an empty lease ends.
-- Parameters:
--   node   uuid    whose lease it is
--   lease  int8    its number
--   ids    int8[]  the jobs that are left
-- Returns: how many leases there were.
-- Locks: lease. Index: lease_pkey.
WITH ended AS (
    DELETE FROM {schema}.lease l
    WHERE l.node = :node::uuid AND l.n = :lease::int8 AND l.seq = 0
      AND cardinality(:ids::int8[]) = 0
    RETURNING l.n
), trimmed AS (
    UPDATE {schema}.lease l SET jobs = :ids::int8[]
    WHERE l.node = :node::uuid AND l.n = :lease::int8 AND l.seq = 0
      AND cardinality(:ids::int8[]) > 0
    RETURNING l.n
)
SELECT (SELECT count(*) FROM ended) + (SELECT count(*) FROM trimmed)
