-- List the places where a prune has nothing to do. Reads only.
-- Parameters:
--   states        text[]  the states of the jobs to delete
--   older_than_s  float8  only jobs that have been final for so many seconds
-- A job that was pending at the mark has ended since, so it is old enough only that long after the
-- mark. Once it may be, the number of pending jobs must be the same as then. A mark is trusted for
-- one to two weeks, because a long transaction may have added jobs since.
-- Locks: none. Index: none, all of pruned is read, and all of lease and ready if it must be
-- counted.
WITH marked AS MATERIALIZED (
    SELECT p.place, p.n_pending,
        p.n_pending = 0
        OR p.looked_at > statement_timestamp() - :older_than_s::float8 * interval '1 second' AS sure
    FROM {schema}.pruned p
    WHERE p.looked_at > statement_timestamp() - interval '1 day' * (7 + p.place % 8)
      AND statement_timestamp() - :older_than_s::float8 * interval '1 second' < least(
          CASE WHEN 'completed' = ANY (:states::text[]) THEN p.completed_at ELSE 'infinity' END,
          CASE WHEN 'cancelled' = ANY (:states::text[]) THEN p.cancelled_at ELSE 'infinity' END,
          CASE WHEN 'failed' = ANY (:states::text[]) THEN p.failed_at ELSE 'infinity' END
      )
), pending AS MATERIALIZED (
    SELECT s.place, sum(s.n) AS n
    FROM (
        SELECT r.id >> 16 AS place, coalesce(cardinality(r.jobs), 1) AS n
        FROM {schema}.ready r
        WHERE EXISTS (SELECT FROM marked m WHERE NOT m.sure)
        UNION ALL
        SELECT l.id >> 16, 1 FROM {schema}.leased l
    ) s
    GROUP BY s.place
)
SELECT m.place
FROM marked m
LEFT JOIN pending p ON p.place = m.place
WHERE m.sure OR m.n_pending = coalesce(p.n, 0);
