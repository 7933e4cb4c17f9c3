-- Read the ids of lanes.
-- Parameters:
--   queues  text[]  one for each lane
--   kinds   text[]  one for each lane
-- Locks: none. Index: lane_queue_kind_key.
SELECT l.queue, l.kind, l.id
FROM unnest(:queues::text[], :kinds::text[]) p (queue, kind)
JOIN {schema}.lane l ON l.queue = p.queue AND l.kind = p.kind
