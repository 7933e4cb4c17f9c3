-- Read what supervisors have told behind what a follower has read.
-- Parameters:
--   nodes  text[]  the nodes of which it has read
--   nos    int8[]  the number of the last event of each
--   limit  int8    how many rows of each node at most
-- Returns: node, the number of the last event, how many there are, time, events.
-- Locks: none. Index: told_pkey.
WITH RECURSIVE teller (id) AS (
    (SELECT t.node FROM {schema}.told t ORDER BY t.node LIMIT 1)
    UNION ALL
    SELECT (SELECT t.node FROM {schema}.told t WHERE t.node > s.id ORDER BY t.node LIMIT 1)
    FROM teller s WHERE s.id IS NOT NULL
)
SELECT s.id::text AS node, t.no, t.n, extract(epoch FROM t.at)::float8 AS at,
    t.events::text AS events
FROM teller s, LATERAL (
        SELECT coalesce(max(k.no), 0) AS no
        FROM unnest(:nodes::text[], :nos::int8[]) k (node, no) WHERE k.node = s.id::text
    ) k,
    LATERAL (
        SELECT t.no, t.n, t.at, t.events
        FROM {schema}.told t WHERE t.node = s.id AND t.no > k.no ORDER BY t.no LIMIT :limit::int8
    ) t
WHERE s.id IS NOT NULL
