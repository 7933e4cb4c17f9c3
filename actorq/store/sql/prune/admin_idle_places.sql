-- List the places where a prune has nothing to do. Reads only.
-- Parameters:
--   states        text[]  those whose jobs are to go
--   older_than_s  float8  they are to go if they were final so many seconds ago
-- A job that was pending then has ended since, and is due so long after that mark; once it may be,
-- as many must be pending still as were. A mark is believed for one to two weeks: a transaction
-- that was open for long may have put jobs there since.
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
