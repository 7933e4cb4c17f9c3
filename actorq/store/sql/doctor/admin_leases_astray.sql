-- Find leases that hold a job of another queue or kind than their lane's. Reads only.
-- Returns a row per lease: the node, its number, and the first such job.
-- Locks: none. Index: lane_pkey, job_pkey; every lease is read.
SELECT l.node::text AS node, l.n, min(j.id) AS job, count(*) AS n_jobs
FROM {schema}.lease l
LEFT JOIN {schema}.lane a ON a.id = l.lane,
    unnest(l.jobs) WITH ORDINALITY u (id, k), LATERAL (
        SELECT j.id, j.queue, j.kind FROM {schema}.job j WHERE j.id = u.id OFFSET 0
    ) j
WHERE (l.open IS NULL OR get_bit(l.open, u.k - 1) = 1)
  AND (j.queue, j.kind) IS DISTINCT FROM (a.queue, a.kind)
GROUP BY l.node, l.n
ORDER BY l.node, l.n;
