-- Ask to be notified of new jobs. $1 node, $2 lanes.
INSERT INTO {schema}.hunger (node, lane)
SELECT $1::uuid, lane FROM unnest($2::int4[]) lane ORDER BY lane
ON CONFLICT DO NOTHING
