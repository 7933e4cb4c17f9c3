-- Mark the last failure, and no other, of each of some jobs that have failed, in their lane. The
-- jobs are locked. Returns nothing.
-- Parameters:
--   ids  int8[]  the jobs
-- Locks: failure. Index: job_pkey, failure_of_job, lane_queue_kind_key.
UPDATE {schema}.failure f
SET final = right_.final, lane = right_.lane
FROM (
    SELECT f.id, a.id AS lane,
        j.state = 'failed' AND f.id = max(f.id) OVER (PARTITION BY f.job) AS final
    FROM {schema}.job j
    JOIN {schema}.failure f ON f.job = j.id
    JOIN {schema}.lane a ON a.queue = j.queue AND a.kind = j.kind
    WHERE j.id = ANY (:ids::int8[])
) right_
WHERE f.id = right_.id AND (f.final, f.lane) IS DISTINCT FROM (right_.final, right_.lane);
