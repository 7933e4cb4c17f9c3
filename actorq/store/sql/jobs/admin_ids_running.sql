-- Ids of leased jobs, newest first. $1 only ids below, $2 limit, $3 not looked at,
-- $4 kind or NULL, $5 queue or NULL.
-- Locks: none. Index: lane_pkey; every lease is read.
SELECT u.id
FROM {schema}.lease l
JOIN {schema}.lane a ON a.id = l.lane,
    unnest(l.jobs) WITH ORDINALITY u (id, k)
WHERE u.id < $1::int8 AND (l.open IS NULL OR get_bit(l.open, u.k - 1) = 1)
  AND ($3::text IS NOT NULL)
  AND ($4::text IS NULL OR a.kind = $4::text)
  AND ($5::text IS NULL OR a.queue = $5::text)
ORDER BY u.id DESC
LIMIT $2::int8;
