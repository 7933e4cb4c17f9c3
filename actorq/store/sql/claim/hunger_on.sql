-- Ask to be notified of new jobs. Only a registered node may ask: nobody would remove the row of a
-- buried one, and every insert would notify forever.
-- Parameters:
--   node   uuid    who asks
--   lanes  int4[]  the lanes about whose jobs it asks
-- Locks: node (KEY SHARE), then hunger by lane. Index: node_pkey, hunger_pkey.
WITH me AS MATERIALIZED (
    SELECT id FROM {schema}.node WHERE id = :node::uuid FOR KEY SHARE
)
INSERT INTO {schema}.hunger (node, lane)
SELECT me.id, lane FROM me, unnest(:lanes::int4[]) lane ORDER BY lane
ON CONFLICT (lane, node) DO NOTHING
