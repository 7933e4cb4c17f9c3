-- Ask for no more notifications.
-- Parameters:
--   node   uuid    who asked before
--   lanes  int4[]  the lanes that it no longer asks about
-- Locks: hunger. Index: hunger_pkey.
DELETE FROM {schema}.hunger WHERE node = :node::uuid AND lane = ANY (:lanes::int4[])
