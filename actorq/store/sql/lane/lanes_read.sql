-- Read the ids of lanes. $1 queues, $2 kinds.
-- Locks: none. Index: lane_queue_kind_key.
SELECT l.queue, l.kind, l.id
FROM unnest($1::text[], $2::text[]) p (queue, kind)
JOIN {schema}.lane l ON l.queue = p.queue AND l.kind = p.kind
