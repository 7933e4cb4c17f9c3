-- Read which settle of a node was the last to commit; 0 if none did. $1 node.
SELECT coalesce(
    (SELECT s.no FROM {schema}.settled s WHERE s.node = n.id ORDER BY s.no DESC LIMIT 1), 0
)
FROM {schema}.node n
WHERE n.id = $1::uuid
