-- Find the leases without a live node of which somebody else holds a job locked.
SELECT concat(l.node, ' ', l.n)
FROM {schema}.lease l
WHERE NOT EXISTS (SELECT FROM {schema}.node d WHERE d.id = l.node)
  AND cardinality(l.jobs) <> (
      SELECT count(*)
      FROM unnest(l.jobs) u (id), LATERAL (
          SELECT j.id FROM {schema}.job j WHERE j.id = u.id FOR NO KEY UPDATE SKIP LOCKED
      ) j
  )
