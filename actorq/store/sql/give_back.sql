-- Return a leased batch to `ready`, uncharged. $1 node, $2 lease, $3 seq, or NULL for any:
-- a supervisor that finds a lease of its own which it does not hold cannot know its seq.
-- Returns: how many leases matched, how many jobs stand in `ready` again.
-- Locks: lease, then job by id. Index: lease_pkey, job_pkey.
WITH gone AS MATERIALIZED (
    DELETE FROM {schema}.lease l
    WHERE l.node = $1::uuid AND l.n = $2::int8 AND l.seq = coalesce($3::int4, l.seq)
    RETURNING l.lane, l.suspect, l.open, l.jobs
), back AS MATERIALIZED (
    UPDATE {schema}.job j
    SET state = CASE WHEN j.cancel_at IS NOT NULL THEN 'cancelled'
            ELSE 'pending' END::{schema}.job_state,
        finalized_at = CASE WHEN j.cancel_at IS NOT NULL THEN statement_timestamp() END
    FROM (
        SELECT u.id, g.lane, g.suspect
        FROM gone g, unnest(g.jobs) WITH ORDINALITY u (id, k)
        WHERE g.open IS NULL OR get_bit(g.open, u.k - 1) = 1
        ORDER BY u.id
    ) s
    WHERE j.id = s.id AND j.state = 'pending'
    RETURNING j.id, j.state, j.attempt, j.run_at, j.priority, s.lane, s.suspect
), again AS (
    INSERT INTO {schema}.ready (id, run_at, lane, suspect, priority, again)
    SELECT b.id, b.run_at, b.lane, b.suspect, b.priority, b.attempt > 0
    FROM back b WHERE b.state = 'pending'
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM back WHERE state = 'pending')
