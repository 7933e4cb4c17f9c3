-- Delete jobs if they are still in one of some states, so that a job which is being retried stays.
-- The trigger job_deleted deletes what belongs to them. Returns how many were deleted.
-- Parameters:
--   ids     int8[]  the jobs
--   states  text[]  the states
-- Locks: job by id, result, failure, unique_key. Index: job_pkey, result_pkey, failure_of_job,
-- unique_key_pkey.
WITH gone AS (
    DELETE FROM {schema}.job j
    WHERE j.id = ANY (:ids::int8[]) AND j.state = ANY (:states::text[]::{schema}.job_state[])
      AND j.state <> 'pending'
    RETURNING j.id
)
SELECT count(*) AS n_deleted FROM gone;
