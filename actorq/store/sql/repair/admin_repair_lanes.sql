-- Make the lanes that some jobs need.
-- Returns nothing.
-- Parameters:
--   ids  int8[]  the jobs
-- Locks: the lanes that it makes, by queue and kind. Index: job_pkey, lane_queue_kind_key.
INSERT INTO {schema}.lane (queue, kind)
SELECT DISTINCT j.queue, j.kind
FROM {schema}.job j
WHERE j.id = ANY(:ids::int8[])
ORDER BY 1, 2
ON CONFLICT (queue, kind) DO NOTHING;
