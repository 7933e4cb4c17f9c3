-- Give failed and cancelled jobs a new life: at once, with fresh counters; attempt only rises,
-- for it is part of the fence. $1 ids. Returns those that it took.
-- The lane is an outer join: a job must never be pending without standing in `ready`.
-- Locks: job by id, then failure. Index: job_pkey, lane_queue_kind_key, failure_of_job.
WITH dead AS MATERIALIZED (
    SELECT j.id
    FROM {schema}.job j
    WHERE j.id = ANY($1::int8[]) AND j.state IN ('failed', 'cancelled')
    ORDER BY j.id
    FOR NO KEY UPDATE
), back AS (
    UPDATE {schema}.job j
    SET state = 'pending', run_at = statement_timestamp(), n_failed = 0, n_crashed = 0,
        n_lost = 0, cancel_at = NULL, finalized_at = NULL
    FROM dead d
    WHERE j.id = d.id
    RETURNING j.id, j.queue, j.kind, j.priority, j.run_at
), placed AS (
    INSERT INTO {schema}.ready (id, run_at, lane, priority)
    SELECT b.id, b.run_at, a.id, b.priority
    FROM back b
    LEFT JOIN {schema}.lane a ON a.queue = b.queue AND a.kind = b.kind
    RETURNING lane
), cleared AS (
    UPDATE {schema}.failure f SET final = false FROM dead d WHERE f.job = d.id AND f.final
)
SELECT b.id, a.id AS lane
FROM back b
LEFT JOIN {schema}.lane a ON a.queue = b.queue AND a.kind = b.kind
ORDER BY b.id;
