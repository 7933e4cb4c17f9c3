-- Read which settle of a settler was the last to commit; 0 if none did.
-- Parameters:
--   node  uuid  the supervisor
--   like  int8  any number of that settler's: it is even or odd like all of them
-- Locks: none. Index: node_pkey, settled_pkey.
SELECT coalesce(
    (
        SELECT s.no FROM {schema}.settled s
        WHERE s.node = n.id AND s.no % 2 = :like::int8 % 2 ORDER BY s.no DESC LIMIT 1
    ), 0
)
FROM {schema}.node n
WHERE n.id = :node::uuid
