-- Make the lanes that the pending ones of jobs $1 need.
INSERT INTO {schema}.lane (queue, kind)
SELECT DISTINCT j.queue, j.kind
FROM {schema}.job j
WHERE j.id = ANY($1::int8[]) AND j.state = 'pending'
ORDER BY 1, 2
ON CONFLICT DO NOTHING;
