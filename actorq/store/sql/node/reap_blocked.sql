-- Find the leases without a live node of which somebody else has locked an open job.
-- Returns each as 'node n', for reap.sql.
-- Locks: job, all that nobody else has locked. Index: node_pkey, job_pkey; every lease is read.
SELECT concat(l.node, ' ', l.n)
FROM {schema}.lease l
WHERE NOT EXISTS (SELECT FROM {schema}.node d WHERE d.id = l.node)
  AND (
      SELECT count(*)
      FROM {schema}.open_jobs(l.jobs, l.open) u, LATERAL (
          SELECT FROM {schema}.job j WHERE j.id = u.id AND j.state = 'pending' OFFSET 0
      ) j
  ) <> (
      SELECT count(*)
      FROM {schema}.open_jobs(l.jobs, l.open) u, LATERAL (
          SELECT FROM {schema}.job j
          WHERE j.id = u.id AND j.state = 'pending'
          FOR NO KEY UPDATE SKIP LOCKED
      ) j
  )
