-- Find ids of leased jobs, newest first.
-- Parameters:
--   before  int8  only ids below this
--   limit   int8  how many to find at most
--   kind    text  only of this kind, or NULL
--   queue   text  only of this queue, or NULL
-- Locks: none. Index: lane_pkey; every lease is read.
SELECT l.id
FROM {schema}.leased l
JOIN {schema}.lane a ON a.id = l.lane
WHERE l.id < :before::int8
  AND (:kind::text IS NULL OR a.kind = :kind::text)
  AND (:queue::text IS NULL OR a.queue = :queue::text)
ORDER BY l.id DESC
LIMIT :limit::int8;
