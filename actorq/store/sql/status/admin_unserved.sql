-- Find lanes with a job that has been due for a while, of which no supervisor holds a batch and for
-- which none waits. Reads only.
-- Parameters:
--   due_s  float8  for how many seconds it has been due
--   most   int8    count up to so many rows of such jobs
-- Locks: none. Index: hunger_pkey, node_pkey, and ready_pkey once for each priority of a lane; all
-- of lease is read.
SELECT a.queue, a.kind, w.n, w.n_rows > :most::int8 AS more,
    extract(epoch FROM statement_timestamp() - w.first_at)::float8 AS oldest_s
FROM {schema}.lane a, LATERAL (
    SELECT sum(r.n) AS n, min(r.run_at) AS first_at, count(*) AS n_rows
    FROM (
        SELECT r.n, r.run_at
        FROM generate_series(0, 9) p, LATERAL (
            SELECT coalesce(cardinality(r.jobs), 1) AS n, r.run_at
            FROM {schema}.ready r
            WHERE r.lane = a.id AND r.suspect = 0 AND r.priority = p::int2
              AND r.run_at <= statement_timestamp() - :due_s::float8 * interval '1 second'
            ORDER BY r.run_at, r.id
            LIMIT :most::int8 + 1
        ) r
        LIMIT :most::int8 + 1
    ) r
) w
WHERE w.n_rows > 0
  AND NOT EXISTS (SELECT FROM {schema}.hunger h WHERE h.lane = a.id)
  AND NOT EXISTS (
      SELECT FROM {schema}.lease l JOIN {schema}.node n ON n.id = l.node WHERE l.lane = a.id
  )
ORDER BY a.queue, a.kind;
