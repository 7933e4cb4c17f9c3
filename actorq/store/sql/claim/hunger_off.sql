-- Ask not to be notified any more. $1 node, $2 lanes.
-- Locks: hunger. Index: hunger_pkey.
DELETE FROM {schema}.hunger WHERE node = $1::uuid AND lane = ANY ($2::int4[])
