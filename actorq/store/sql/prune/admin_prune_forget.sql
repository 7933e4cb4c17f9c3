-- Forget what a prune has left in the places of some jobs. Returns nothing.
-- Parameters:
--   ids  int8[]  the jobs; NULL: forget it everywhere
-- Locks: the rows of pruned. Index: pruned_pkey.
DELETE FROM {schema}.pruned p
WHERE :ids::int8[] IS NULL OR p.place IN (SELECT u.id >> 16 FROM unnest(:ids::int8[]) u (id));
