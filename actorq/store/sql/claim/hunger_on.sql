-- Ask to be notified of new jobs. $1 node, $2 lanes. The dead are not hungry: nobody would ever
-- take their wish back, and every insert would notify.
-- Locks: node (KEY SHARE), then hunger by lane. Index: node_pkey, hunger_pkey.
WITH me AS MATERIALIZED (
    SELECT id FROM {schema}.node WHERE id = $1::uuid FOR KEY SHARE
)
INSERT INTO {schema}.hunger (node, lane)
SELECT me.id, lane FROM me, unnest($2::int4[]) lane ORDER BY lane
ON CONFLICT (lane, node) DO NOTHING
