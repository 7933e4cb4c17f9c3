-- Record a failure for each of some jobs that have failed without one. The jobs are locked.
-- Returns nothing.
-- Parameters:
--   ids  int8[]  the jobs
-- Locks: none that anybody waits for. Index: job_pkey, failure_of_job, lane_queue_kind_key.
INSERT INTO {schema}.failure (job, attempt, lane, final, cause, type, message, traceback)
SELECT j.id, j.attempt, a.id, true, 'error', 'Unknown', 'no failure of this job was recorded', ''
FROM {schema}.job j
JOIN {schema}.lane a ON a.queue = j.queue AND a.kind = j.kind
WHERE j.id = ANY (:ids::int8[]) AND j.state = 'failed'
  AND NOT EXISTS (SELECT FROM {schema}.failure f WHERE f.job = j.id);
