-- Second step of a cancel, with a newer snapshot: take the marked jobs $1 out of `ready`; those
-- that were there are cancelled. A claim that has just taken a row is waited for.
-- A job's row says where in `ready` it stands, all but its group of suspects.
WITH RECURSIVE place AS MATERIALIZED (
    SELECT j.id, l.id AS lane, j.priority, j.run_at, CASE WHEN l.keyed THEN j.key ELSE '' END AS key
    FROM unnest($1::int8[]) v (id), {schema}.job j, {schema}.lane l
    WHERE j.id = v.id AND l.queue = j.queue AND l.kind = j.kind
), crowd (lane, suspect) AS (
    SELECT p.lane, (
        SELECT r.suspect FROM {schema}.ready r WHERE r.lane = p.lane ORDER BY r.suspect LIMIT 1
    )
    FROM (SELECT DISTINCT lane FROM place) p
    UNION ALL
    SELECT c.lane, (
        SELECT r.suspect FROM {schema}.ready r
        WHERE r.lane = c.lane AND r.suspect > c.suspect ORDER BY r.suspect LIMIT 1
    )
    FROM crowd c WHERE c.suspect IS NOT NULL
), taken AS (
    DELETE FROM {schema}.ready r
    USING place p, crowd c
    WHERE c.lane = p.lane AND r.lane = p.lane AND r.suspect = c.suspect AND r.key = p.key
      AND r.priority = p.priority AND r.run_at = p.run_at AND r.id = p.id
    RETURNING r.id
)
UPDATE {schema}.job j SET state = 'cancelled', finalized_at = statement_timestamp()
FROM taken t WHERE j.id = t.id AND j.state = 'pending'
RETURNING j.id
