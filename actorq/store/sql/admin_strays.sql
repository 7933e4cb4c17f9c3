-- Find jobs that break the rule "every pending job stands in exactly one of ready and lease, and
-- nothing else stands in ready". One statement, hence one snapshot: a claim that moves a job
-- between the two is never seen half done. $1 limit. Reads all of job; no locks.
WITH leased AS MATERIALIZED (
    SELECT DISTINCT u.id
    FROM {schema}.lease l, unnest(l.jobs) WITH ORDINALITY u (id, k)
    WHERE l.open IS NULL OR get_bit(l.open, u.k - 1) = 1
), lost AS (
    SELECT j.id, 'lost' AS what
    FROM {schema}.job j
    WHERE j.state = 'pending'
      AND NOT EXISTS (SELECT FROM {schema}.ready r WHERE r.id = j.id)
      AND NOT EXISTS (SELECT FROM leased l WHERE l.id = j.id)
), wrong AS (
    SELECT r.id,
        CASE
            WHEN j.id IS NULL OR j.state <> 'pending' THEN 'stale'
            WHEN l.id IS NOT NULL THEN 'both'
            ELSE 'misplaced'
        END AS what
    FROM {schema}.ready r
    LEFT JOIN {schema}.job j ON j.id = r.id
    LEFT JOIN {schema}.lane a ON a.queue = j.queue AND a.kind = j.kind
    LEFT JOIN leased l ON l.id = r.id
    WHERE j.id IS NULL OR j.state <> 'pending' OR l.id IS NOT NULL
       OR r.lane IS DISTINCT FROM a.id OR r.priority <> j.priority OR r.run_at <> j.run_at
), twice AS (
    SELECT r.id, 'twice' AS what FROM {schema}.ready r GROUP BY r.id HAVING count(*) > 1
)
SELECT s.id, min(s.what) AS what
FROM (SELECT * FROM lost UNION ALL SELECT * FROM wrong UNION ALL SELECT * FROM twice) s
GROUP BY s.id
ORDER BY s.id
LIMIT $1::int8;
