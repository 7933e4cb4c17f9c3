-- Ask not to be notified any more.
-- Parameters:
--   node   uuid    who asked before
--   lanes  int4[]  of which it has enough
-- Locks: hunger. Index: hunger_pkey.
DELETE FROM {schema}.hunger WHERE node = :node::uuid AND lane = ANY (:lanes::int4[])
