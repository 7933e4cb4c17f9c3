-- Find leases that hold a job of another queue or kind than their lane's. Reads only.
-- Returns a row per lease: the node, its number, and the first such job.
-- Locks: none. Index: lane_pkey, job_pkey; every lease is read.
SELECT l.node::text AS node, l.n, min(j.id) AS job, count(*) AS n_jobs
FROM {schema}.leased l
LEFT JOIN {schema}.lane a ON a.id = l.lane,
    LATERAL (SELECT j.id, j.queue, j.kind FROM {schema}.job j WHERE j.id = l.id OFFSET 0) j
WHERE (j.queue, j.kind) IS DISTINCT FROM (a.queue, a.kind)
GROUP BY l.node, l.n
ORDER BY l.node, l.n;
