-- Return the jobs of leases that no live node owns.
-- Parameters:
--   limit        int8    how many leases at most
--   lost_budget  int4    a job that was lost so often before fails
--   alone_after  int4    a job that was lost so often runs alone, in a group below zero that is its
--                        own
--   spared       text[]  leases to leave alone, each as 'node n'
-- This never goes through a dead node's own row, because a claim may commit after that row is gone.
-- Leases that a settle has locked are skipped. No counter can overflow, which would stop the return
-- of all jobs. Each job goes into its own lane, whatever lane the lease names, because the lease
-- may come from another database.
-- Returns: how many leases; how many of their jobs went back, failed, were cancelled; and the lanes
-- to which they went. The change gets its number at the commit.
-- Locks: lease by (node, n), then job by id; a lane that it makes.
-- Index: lease_pkey, node_pkey, job_pkey, lane_queue_kind_key.
WITH lost AS MATERIALIZED (
    SELECT l.node, l.n, l.suspect, l.claimed_at, l.open, l.jobs
    FROM {schema}.lease l
    WHERE NOT EXISTS (SELECT FROM {schema}.node d WHERE d.id = l.node)
      AND concat(l.node, ' ', l.n) <> ALL (:spared::text[])
    ORDER BY l.node, l.n
    LIMIT :limit::int8
    FOR UPDATE OF l SKIP LOCKED
), gone AS (
    DELETE FROM {schema}.lease l USING lost o WHERE l.node = o.node AND l.n = o.n
    RETURNING l.n
), back AS MATERIALIZED (
    UPDATE {schema}.job j
    SET state = CASE WHEN j.cancel_at IS NOT NULL THEN 'cancelled'
            WHEN j.n_lost >= :lost_budget::int4 THEN 'failed'
            ELSE 'pending' END::{schema}.job_state,
        attempt = least(j.attempt, 2147483646) + 1, n_lost = least(j.n_lost + 1, 32767),
        attempted_at = s.claimed_at,
        finalized_at = CASE WHEN j.cancel_at IS NOT NULL OR j.n_lost >= :lost_budget::int4
            THEN statement_timestamp() END
    FROM (
        SELECT u.id, l.suspect, l.claimed_at
        FROM lost l, {schema}.open_jobs(l.jobs, l.open) u
        ORDER BY u.id
    ) s
    WHERE j.id = s.id AND j.state = 'pending'
    RETURNING j.id, j.state, j.attempt, j.n_lost, j.run_at, j.priority, j.queue, j.kind, s.suspect
), again AS (
    INSERT INTO {schema}.ready (id, run_at, lane, suspect, priority, again)
    SELECT b.id, b.run_at, coalesce(
            (SELECT a.id FROM {schema}.lane a WHERE a.queue = b.queue AND a.kind = b.kind),
            {schema}.made_lane(b.queue, b.kind)
        ),
        CASE WHEN b.n_lost >= :alone_after::int4 THEN (-1 - b.id % 2147483647)::int4
            ELSE b.suspect END,
        b.priority, b.attempt > 0
    FROM back b WHERE b.state = 'pending'
    -- It may be there already.
    ON CONFLICT (lane, suspect, priority, run_at, id) DO NOTHING
    RETURNING lane
), failures AS (
    INSERT INTO {schema}.failure (job, attempt, lane, final, cause, type, message, traceback)
    SELECT b.id, b.attempt, coalesce(
            (SELECT a.id FROM {schema}.lane a WHERE a.queue = b.queue AND a.kind = b.kind),
            {schema}.made_lane(b.queue, b.kind)
        ), true, 'lost', 'SupervisorLost',
        format('the supervisor died %s times while it held this job', b.n_lost), ''
    FROM back b WHERE b.state = 'failed'
), noted AS MATERIALIZED (
    SELECT {schema}.note_change(
        array_agg(c.lane), array_agg(c.id), array_agg(c.state), array_agg(c.attempt)
    ) AS n
    FROM (
        SELECT coalesce(
                (SELECT a.id FROM {schema}.lane a WHERE a.queue = b.queue AND a.kind = b.kind),
                {schema}.made_lane(b.queue, b.kind)
            ) AS lane, b.id, CASE b.state WHEN 'pending' THEN 'retried' ELSE b.state::text END AS state, b.attempt
        FROM back b
    ) c
)
SELECT (SELECT count(*) FROM lost),
    (SELECT count(*) FROM back WHERE state = 'pending'),
    (SELECT count(*) FROM back WHERE state = 'failed'),
    (SELECT count(*) FROM back WHERE state = 'cancelled'),
    ARRAY(SELECT DISTINCT lane FROM again)
FROM noted
