-- Return leased batches to `ready`, uncharged. Each job goes into its own lane, whatever lane the
-- lease names, because the lease may come from another database.
-- Parameters:
--   node   uuid  whose leases they are
--   lease  int8  the number of the first
--   last   int8  … and of the last
--   seq    int4  their sequence number, or NULL for any: a supervisor that finds a lease of its own
--                which it does not hold cannot know the number
-- Returns: how many leases matched, how many jobs are in `ready` again.
-- Locks: lease, then job by id; a lane that it makes.
-- Index: lease_pkey, job_pkey, lane_queue_kind_key.
WITH gone AS MATERIALIZED (
    DELETE FROM {schema}.lease l
    WHERE l.node = :node::uuid AND l.n BETWEEN :lease::int8 AND :last::int8
      AND l.seq = coalesce(:seq::int4, l.seq)
    RETURNING l.suspect, l.open, l.jobs
), back AS MATERIALIZED (
    UPDATE {schema}.job j
    SET state = CASE WHEN j.cancel_at IS NOT NULL THEN 'cancelled'
            ELSE 'pending' END::{schema}.job_state,
        finalized_at = CASE WHEN j.cancel_at IS NOT NULL THEN statement_timestamp() END
    FROM (
        SELECT u.id, g.suspect
        FROM gone g, {schema}.open_jobs(g.jobs, g.open) u
        ORDER BY u.id
    ) s
    WHERE j.id = s.id AND j.state = 'pending'
    RETURNING j.id, j.state, j.attempt, j.run_at, j.priority, j.queue, j.kind, s.suspect
), again AS (
    INSERT INTO {schema}.ready (id, run_at, lane, suspect, priority, again)
    SELECT b.id, b.run_at, coalesce(
            (SELECT a.id FROM {schema}.lane a WHERE a.queue = b.queue AND a.kind = b.kind),
            {schema}.made_lane(b.queue, b.kind)
        ), b.suspect, b.priority, b.attempt > 0
    FROM back b WHERE b.state = 'pending'
    -- It may be there already.
    ON CONFLICT (lane, suspect, priority, run_at, id) DO NOTHING
), noted AS MATERIALIZED (
    SELECT {schema}.note_change(
        array_agg(c.lane), array_agg(c.id), array_agg(c.state), array_agg(c.attempt)
    ) AS n
    FROM (
        SELECT coalesce(
                (SELECT a.id FROM {schema}.lane a WHERE a.queue = b.queue AND a.kind = b.kind),
                {schema}.made_lane(b.queue, b.kind)
            ) AS lane, b.id, b.state::text AS state, b.attempt
        FROM back b WHERE b.state = 'cancelled'
    ) c
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM back WHERE state = 'pending')
FROM noted
