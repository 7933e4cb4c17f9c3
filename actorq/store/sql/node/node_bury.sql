-- Declare a supervisor dead, unless it has shown life. This also removes what another supervisor
-- wrote at the moment when it was itself buried.
-- Parameters:
--   node     uuid  the supervisor
--   beat_us  int8  its last known beat, in microseconds; NULL: it is dead even if it has shown
--                  life
-- Returns: 1, or 0 if it lives.
-- Locks: node, then hunger and settled. Index: node_pkey; all of hunger and settled is read.
WITH dead AS (
    DELETE FROM {schema}.node
    WHERE id = :node::uuid
      AND (:beat_us::int8 IS NULL OR (extract(epoch FROM beat_at) * 1000000)::int8 = :beat_us::int8)
    RETURNING id
), quiet AS (
    DELETE FROM {schema}.hunger h
    WHERE h.node IN (SELECT id FROM dead)
      OR NOT EXISTS (SELECT FROM {schema}.node n WHERE n.id = h.node)
), forgotten AS ( -- what code before version 2 wrote
    DELETE FROM {schema}.settled s
    WHERE s.node IN (SELECT id FROM dead)
      OR NOT EXISTS (SELECT FROM {schema}.node n WHERE n.id = s.node)
)
SELECT count(*) FROM dead
