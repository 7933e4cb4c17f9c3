-- Read which settle of a node was the last to commit. $1 node.
SELECT settle_no FROM {schema}.node WHERE id = $1::uuid
