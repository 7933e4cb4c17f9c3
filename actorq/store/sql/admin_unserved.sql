-- Lanes with a job that has been due for $1 seconds while no supervisor holds a batch of the
-- lane or waits for its jobs. Reads only.
-- Locks: none. Index: hunger_pkey, lane_pkey, node_pkey; all of ready and lease is read.
SELECT a.queue, a.kind, w.n,
    extract(epoch FROM statement_timestamp() - w.first_at)::float8 AS oldest_s
FROM (
    SELECT r.lane, sum(coalesce(cardinality(r.jobs), 1)) AS n, min(r.run_at) AS first_at
    FROM {schema}.ready r
    WHERE r.run_at <= statement_timestamp() - $1::float8 * interval '1 second'
    GROUP BY r.lane
) w
JOIN {schema}.lane a ON a.id = w.lane
WHERE NOT EXISTS (SELECT FROM {schema}.hunger h WHERE h.lane = a.id)
  AND NOT EXISTS (
      SELECT FROM {schema}.lease l JOIN {schema}.node n ON n.id = l.node WHERE l.lane = a.id
  )
ORDER BY a.queue, a.kind;
