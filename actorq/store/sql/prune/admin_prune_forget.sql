-- Forget what a prune has left in the places of the jobs $1; NULL: everywhere. Returns nothing.
-- Locks: the rows of pruned. Index: pruned_pkey.
DELETE FROM {schema}.pruned p
WHERE $1::int8[] IS NULL OR p.place IN (SELECT u.id >> 16 FROM unnest($1::int8[]) u (id));
