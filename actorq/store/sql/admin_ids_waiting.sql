-- Ids of jobs in `ready`, newest first. $1 only ids below, $2 limit, $3 which: ready, scheduled,
-- retrying or suspect, $4 kind or NULL, $5 queue or NULL.
-- Locks: none. Index: lane_pkey, job_pkey; all of ready is read.
SELECT r.id
FROM {schema}.queued r
JOIN {schema}.lane a ON a.id = r.lane
WHERE r.id < $1::int8
  AND ($4::text IS NULL OR a.kind = $4::text)
  AND ($5::text IS NULL OR a.queue = $5::text)
  AND CASE $3::text
      WHEN 'suspect' THEN r.suspect <> 0
      WHEN 'retrying' THEN (SELECT j.attempt > 0 FROM {schema}.job j WHERE j.id = r.id)
      ELSE (r.run_at > statement_timestamp()) = ($3::text = 'scheduled')
          AND (SELECT j.attempt = 0 FROM {schema}.job j WHERE j.id = r.id)
  END
ORDER BY r.id DESC
LIMIT $2::int8;
