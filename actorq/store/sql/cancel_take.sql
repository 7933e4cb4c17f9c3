-- Second step of a cancel, with a newer snapshot: take the marked jobs $1 out of `ready`; those
-- that were there are cancelled. A claim that has just taken a row is waited for.
-- A job's row says where in `ready` it stands, all but its group of suspects: those are looked for
-- on both sides of 0, the group of nearly all, which begins with dead entries.
WITH RECURSIVE place AS MATERIALIZED (
    SELECT j.id, l.id AS lane, j.priority, j.run_at
    FROM unnest($1::int8[]) v (id), {schema}.job j, {schema}.lane l
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
    SELECT r.place
    FROM place p JOIN crowd c ON c.lane = p.lane, LATERAL (
        -- OFFSET: or a planner that takes `ready` for small would walk through all of the group.
        SELECT r.ctid AS place FROM {schema}.ready r
        WHERE r.lane = p.lane AND r.suspect = c.suspect AND r.priority = p.priority
          AND r.run_at = p.run_at AND r.id = p.id
        OFFSET 0
    ) r
), taken AS (
    DELETE FROM {schema}.ready r USING spot s WHERE r.ctid = s.place
    RETURNING r.id
)
UPDATE {schema}.job j SET state = 'cancelled', finalized_at = statement_timestamp()
FROM taken t WHERE j.id = t.id AND j.state = 'pending'
RETURNING j.id
