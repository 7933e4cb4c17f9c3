-- Delete the jobs $1, if they are still in one of the states $2: one that is being retried stays.
-- The trigger job_deleted takes what belongs to them. Returns how many went.
-- Locks: job by id, result, failure, unique_key. Index: job_pkey, result_pkey, failure_of_job,
-- unique_key_pkey.
WITH gone AS (
    DELETE FROM {schema}.job j
    WHERE j.id = ANY ($1::int8[]) AND j.state = ANY ($2::text[]::{schema}.job_state[])
      AND j.state <> 'pending'
    RETURNING j.id
)
SELECT count(*) AS n_deleted FROM gone;
