-- Take jobs that are gone or final out of a lease that was just claimed; without any it ends.
-- $1 node, $2 lease, $3 the jobs that are left.
-- Returns: how many leases there were.
-- Locks: lease. Index: lease_pkey.
WITH ended AS (
    DELETE FROM {schema}.lease l
    WHERE l.node = $1::uuid AND l.n = $2::int8 AND l.seq = 0 AND cardinality($3::int8[]) = 0
    RETURNING l.n
), trimmed AS (
    UPDATE {schema}.lease l SET jobs = $3::int8[]
    WHERE l.node = $1::uuid AND l.n = $2::int8 AND l.seq = 0 AND cardinality($3::int8[]) > 0
    RETURNING l.n
)
SELECT (SELECT count(*) FROM ended) + (SELECT count(*) FROM trimmed)
