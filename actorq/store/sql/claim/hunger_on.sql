-- Ask to be notified of new jobs. The dead are not hungry: nobody would ever take their wish back,
-- and every insert would notify.
-- Parameters:
--   node   uuid    who asks
--   lanes  int4[]  of which it wants jobs
-- Locks: node (KEY SHARE), then hunger by lane. Index: node_pkey, hunger_pkey.
WITH me AS MATERIALIZED (
    SELECT id FROM {schema}.node WHERE id = :node::uuid FOR KEY SHARE
)
INSERT INTO {schema}.hunger (node, lane)
SELECT me.id, lane FROM me, unnest(:lanes::int4[]) lane ORDER BY lane
ON CONFLICT (lane, node) DO NOTHING
