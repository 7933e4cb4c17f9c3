-- Read the number of a settler's last settle that committed; 0 if none did.
-- Parameters:
--   node  uuid  the supervisor
--   like  int8  any number of that settler's: all of them are even, or all are odd
-- Locks: none. Index: node_pkey, change_pkey.
SELECT coalesce(
    (
        SELECT c.no FROM {schema}.change c
        WHERE c.source = n.id AND c.no % 2 = :like::int8 % 2 ORDER BY c.no DESC LIMIT 1
    ), 0
)
FROM {schema}.node n
WHERE n.id = :node::uuid
