-- Give each lease the lane of its first open job, if it names another one. Its holder continues,
-- because what entitles it to write outcomes is unchanged.
-- Returns a row per lease that it has changed.
-- Locks: lease; a lane that it makes. Index: lane_pkey, job_pkey; every lease is read.
UPDATE {schema}.lease l SET lane = coalesce(
    (SELECT a.id FROM {schema}.lane a WHERE a.queue = f.queue AND a.kind = f.kind),
    {schema}.made_lane(f.queue, f.kind)
)
FROM (
    SELECT l.node, l.n, j.queue, j.kind
    FROM {schema}.lease l, LATERAL (
        SELECT j.queue, j.kind
        FROM {schema}.open_jobs(l.jobs, l.open) u JOIN {schema}.job j ON j.id = u.id
        ORDER BY u.k LIMIT 1
    ) j
) f
WHERE l.node = f.node AND l.n = f.n
  AND NOT EXISTS (
      SELECT FROM {schema}.lane a WHERE a.id = l.lane AND a.queue = f.queue AND a.kind = f.kind
  )
RETURNING l.n;
