-- Count the failed jobs of the lanes that have few of them, which a sample may have missed.
-- Reads only.
-- Parameters:
--   most  int8  up to how many count as few
-- Returns a row per such lane, as admin_dead.sql does.
-- Locks: none. Index: failure_final, once for each lane; job_pkey.
SELECT l.id AS lane, d.n_dead
FROM {schema}.lane l, LATERAL (
    SELECT count(*) AS n_rows, count(DISTINCT f.job) FILTER (WHERE f.is_dead) AS n_dead
    FROM (
        SELECT f.job,
            (SELECT j.state = 'failed' FROM {schema}.job j WHERE j.id = f.job) AS is_dead
        FROM {schema}.failure f
        WHERE f.lane = l.id AND f.final
        LIMIT :most::int8 + 1
    ) f
) d
WHERE d.n_rows <= :most::int8;
