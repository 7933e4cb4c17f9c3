-- Make failed and cancelled jobs run again: at once, with fresh counters. Only attempt keeps
-- rising, because it is part of the fence.
-- Parameters:
--   ids  int8[]  the jobs
-- Returns the jobs that were failed or cancelled: with their lane if they are pending now, with
-- NULL if another pending job holds their unique key. Of jobs with the same key, the newest gets
-- it. If a holder's key row has changed since this snapshot, its state is unknown: it keeps the
-- key. The lane is an outer join, because a job must never be pending without being in `ready`.
-- Locks: job by id, then unique_key by key, then failure. Index: job_pkey, unique_key_pkey,
-- lane_queue_kind_key, failure_of_job.
WITH dead AS MATERIALIZED (
    SELECT j.id, j.kind, j.unique_key
    FROM {schema}.job j
    WHERE j.id = ANY(:ids::int8[]) AND j.state IN ('failed', 'cancelled')
    ORDER BY j.id
    FOR NO KEY UPDATE
), wanted AS MATERIALIZED (
    SELECT DISTINCT ON (d.kind, d.unique_key) d.kind, d.unique_key, d.id
    FROM dead d
    WHERE d.unique_key IS NOT NULL
    ORDER BY d.kind, d.unique_key, d.id DESC
), held AS MATERIALIZED (
    INSERT INTO {schema}.unique_key AS k (kind, key, job)
    SELECT w.kind, w.unique_key, w.id FROM wanted w ORDER BY w.kind, w.unique_key
    ON CONFLICT (kind, key) DO UPDATE SET job = excluded.job
    WHERE k.job = excluded.job
       OR EXISTS (SELECT FROM {schema}.job j WHERE j.id = k.job AND j.state <> 'pending')
          AND EXISTS (
              SELECT FROM {schema}.unique_key seen
              WHERE seen.kind = k.kind AND seen.key = k.key AND seen.ctid = k.ctid
          )
    RETURNING k.job
), free AS MATERIALIZED (
    SELECT d.id
    FROM dead d
    WHERE d.unique_key IS NULL OR (d.id IN (SELECT h.job FROM held h)) IS TRUE
), back AS (
    UPDATE {schema}.job j
    SET state = 'pending', run_at = statement_timestamp(), n_failed = 0, n_crashed = 0,
        n_lost = 0, cancel_at = NULL, finalized_at = NULL
    FROM free f
    WHERE j.id = f.id
    RETURNING j.id, j.queue, j.kind, j.priority, j.run_at, j.attempt
), there AS MATERIALIZED (
    SELECT b.id, b.priority, b.run_at, b.attempt, b.attempt > 0 AS again, a.id AS lane
    FROM back b
    LEFT JOIN {schema}.lane a ON a.queue = b.queue AND a.kind = b.kind
), placed AS (
    INSERT INTO {schema}.ready (id, run_at, lane, priority, again, jobs)
    SELECT min(t.id), t.run_at, t.lane, t.priority, t.again,
        CASE WHEN count(*) > 1 THEN array_agg(t.id ORDER BY t.id) END
    FROM there t
    GROUP BY t.run_at, t.lane, t.priority, t.again, {schema}.block_of(t.id)
    ORDER BY 1
    RETURNING lane
), noted AS MATERIALIZED (
    SELECT {schema}.note_change(
        array_agg(t.lane), array_agg(t.id), array_agg('requeued'::text), array_agg(t.attempt)
    ) AS n
    FROM there t
), cleared AS (
    UPDATE {schema}.failure f SET final = false FROM free d WHERE f.job = d.id AND f.final
)
SELECT d.id, t.lane
FROM noted, dead d
LEFT JOIN there t ON t.id = d.id
ORDER BY d.id;
