-- Second step of a cancel, with a newer snapshot: take the marked jobs out of `ready`; those that
-- were there are cancelled. The other jobs of a block go back at once, as a smaller block.
-- Parameters:
--   ids  int8[]  the marked jobs
-- Returns the cancelled jobs, and whether to ask again: this waits for a claim or another cancel
-- that has just taken a row, and what that left of the block is in a new row. A job's row says
-- where in `ready` the job is, except for two things. One is its group of suspects, which is
-- searched for on both sides of 0, the group of nearly all jobs, because that begins with dead
-- entries. The other is its block, which begins with an id that differs in the last 7 bits.
-- Locks: ready, in the order of its places, then job.
-- Index: job_pkey, lane_queue_kind_key, ready_pkey.
WITH RECURSIVE place AS MATERIALIZED (
    SELECT j.id, l.id AS lane, j.priority, j.run_at
    FROM unnest(:ids::int8[]) v (id), {schema}.job j, {schema}.lane l
    WHERE j.id = v.id AND l.queue = j.queue AND l.kind = j.kind
), crowd (lane, suspect) AS (
    SELECT p.lane, s.suspect FROM (SELECT DISTINCT lane FROM place) p, LATERAL (
        SELECT 0 AS suspect
        UNION ALL
        (
            SELECT r.suspect FROM {schema}.ready r
            WHERE r.lane = p.lane AND r.suspect < 0 ORDER BY r.suspect LIMIT 1
        )
    ) s
    UNION ALL
    SELECT c.lane, (
        SELECT r.suspect FROM {schema}.ready r
        WHERE r.lane = c.lane AND r.suspect > c.suspect
          AND r.suspect < CASE WHEN c.suspect < 0 THEN 0 ELSE 2147483648 END
        ORDER BY r.suspect LIMIT 1
    )
    FROM crowd c WHERE c.suspect IS NOT NULL
), spot AS MATERIALIZED (
    SELECT DISTINCT r.place -- in order: another cancel may be taking the same blocks
    FROM place p JOIN crowd c ON c.lane = p.lane, LATERAL (
        -- OFFSET stops a planner that believes `ready` to be small from walking the whole group.
        SELECT r.ctid AS place FROM {schema}.ready r
        WHERE r.lane = p.lane AND r.suspect = c.suspect AND r.priority = p.priority
          AND r.run_at = p.run_at AND r.id BETWEEN {schema}.block_of(p.id) AND p.id
          AND p.id = ANY (coalesce(r.jobs, ARRAY[r.id]))
        OFFSET 0
    ) r
    ORDER BY 1
), taken AS MATERIALIZED (
    DELETE FROM {schema}.ready r USING spot s WHERE r.ctid = s.place
    RETURNING r.id AS block, r.run_at, r.lane, r.suspect, r.priority, r.again, r.jobs
), here AS MATERIALIZED (
    SELECT t.*, u.id, u.id IN (SELECT p.id FROM place p) AS mine
    FROM taken t, unnest(coalesce(t.jobs, ARRAY[t.block])) u (id)
), others AS (
    INSERT INTO {schema}.ready (id, run_at, lane, suspect, priority, again, jobs)
    SELECT min(h.id), h.run_at, h.lane, h.suspect, h.priority, h.again,
        CASE WHEN count(*) > 1 THEN array_agg(h.id ORDER BY h.id) END
    FROM here h
    WHERE NOT h.mine
    GROUP BY h.block, h.run_at, h.lane, h.suspect, h.priority, h.again
), ended AS (
    UPDATE {schema}.job j SET state = 'cancelled', finalized_at = statement_timestamp()
    FROM here h WHERE j.id = h.id AND h.mine AND j.state = 'pending'
    RETURNING j.id, h.lane, j.attempt
), noted AS MATERIALIZED (
    SELECT {schema}.note_change(
        array_agg(e.lane), array_agg(e.id), array_agg('cancelled'::text), array_agg(e.attempt)
    ) AS n
    FROM ended e
)
SELECT ARRAY(SELECT id FROM ended), (SELECT count(*) FROM taken) < (SELECT count(*) FROM spot)
FROM noted
