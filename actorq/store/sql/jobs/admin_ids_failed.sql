-- Find ids of failed jobs, newest first, through their last failure.
-- Parameters:
--   before  int8  only ids below this
--   limit   int8  how many to find at most
--   kind    text  only of this kind, or NULL
--   queue   text  only of this queue, or NULL
-- Locks: none. Index: failure_final backwards, once for each lane; job_pkey.
SELECT DISTINCT f.job AS id
FROM {schema}.lane a, LATERAL (
    SELECT f.job
    FROM {schema}.failure f
    WHERE f.lane = a.id AND f.final AND f.job < :before::int8
      AND (SELECT j.state = 'failed' FROM {schema}.job j WHERE j.id = f.job)
    ORDER BY f.job DESC
    LIMIT :limit::int8
) f
WHERE (:kind::text IS NULL OR a.kind = :kind::text)
  AND (:queue::text IS NULL OR a.queue = :queue::text)
ORDER BY f.job DESC
LIMIT :limit::int8;
