-- Ids of dead letters, newest first, by way of their last failure. $1 only ids below,
-- $2 limit, $3 not looked at, $4 kind or NULL, $5 queue or NULL.
-- Locks: none. Index: failure_of_job backwards, or failure_final; job_pkey.
SELECT j.id
FROM {schema}.failure f
JOIN {schema}.job j ON j.id = f.job
WHERE f.final AND f.job < $1::int8 AND j.state = 'failed' AND ($3::text IS NOT NULL)
  AND ($4::text IS NULL OR j.kind = $4::text)
  AND ($5::text IS NULL OR j.queue = $5::text)
ORDER BY f.job DESC
LIMIT $2::int8;
