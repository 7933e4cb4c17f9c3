-- Create the lanes that do not exist yet. Another statement reads them, because this one does not
-- see what another session has just committed.
-- Parameters:
--   queues  text[]  one for each lane
--   kinds   text[]  one for each lane
-- Locks: the lanes that it makes, by queue and kind. Index: lane_queue_kind_key.
INSERT INTO {schema}.lane (queue, kind)
SELECT DISTINCT p.queue, p.kind
FROM unnest(:queues::text[], :kinds::text[]) p (queue, kind)
WHERE NOT EXISTS (
    SELECT FROM {schema}.lane l WHERE l.queue = p.queue AND l.kind = p.kind
)
ORDER BY 1, 2
ON CONFLICT (queue, kind) DO NOTHING
