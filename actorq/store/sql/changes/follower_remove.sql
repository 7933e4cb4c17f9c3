-- Forget a follower.
-- Parameters:
--   id  uuid  the follower
-- Locks: follower. Index: follower_pkey.
DELETE FROM {schema}.follower WHERE id = :id::uuid
