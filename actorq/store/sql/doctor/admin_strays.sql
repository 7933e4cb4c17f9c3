-- Find jobs that break the rule "every pending job is in exactly one of ready and lease, and
-- nothing else is in ready", each in a block that may hold it. This is one statement and thus uses
-- one snapshot, so a claim that moves a job between the two is never seen half done. A row of
-- `ready` is examined together with its first job.
-- Parameters:
--   limit  int8  how many to find at most
--   first  int8  the first id to look at
--   last   int8  the last id to look at
-- Locks: none. Index: job_pkey for the ids, lane_queue_kind_key at most; all of ready and lease is
-- read.
WITH waiting AS MATERIALIZED (
    SELECT q.id, q.run_at, q.lane, q.priority, q.block
    FROM {schema}.queued q
    WHERE {schema}.block_of(q.block)
        BETWEEN {schema}.block_of(:first::int8) AND {schema}.block_of(:last::int8)
), leased AS MATERIALIZED (
    SELECT DISTINCT l.id FROM {schema}.leased l
), lost AS (
    SELECT j.id, 'lost' AS what
    FROM {schema}.job j
    WHERE j.id BETWEEN :first::int8 AND :last::int8 AND j.state = 'pending'
      AND NOT EXISTS (SELECT FROM waiting w WHERE w.id = j.id)
      AND NOT EXISTS (SELECT FROM leased l WHERE l.id = j.id)
), wrong AS (
    SELECT w.id,
        CASE
            WHEN j.id IS NULL OR j.state <> 'pending' THEN 'stale'
            WHEN l.id IS NOT NULL THEN 'both'
            ELSE 'misplaced'
        END AS what
    FROM waiting w
    LEFT JOIN {schema}.job j ON j.id = w.id
    LEFT JOIN {schema}.lane a ON a.queue = j.queue AND a.kind = j.kind
    LEFT JOIN leased l ON l.id = w.id
    WHERE j.id IS NULL OR j.state <> 'pending' OR l.id IS NOT NULL
       OR w.lane IS DISTINCT FROM a.id OR w.priority <> j.priority OR w.run_at <> j.run_at
       OR w.id < w.block OR {schema}.block_of(w.id) <> {schema}.block_of(w.block)
), twice AS (
    SELECT w.id, 'twice' AS what FROM waiting w GROUP BY w.id HAVING count(*) > 1
)
SELECT s.id, min(s.what) AS what
FROM (SELECT * FROM lost UNION ALL SELECT * FROM wrong UNION ALL SELECT * FROM twice) s
GROUP BY s.id
ORDER BY s.id
LIMIT :limit::int8;
