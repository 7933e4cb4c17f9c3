-- Remove the unique keys, among some, that name no pending job. key_stale.sql has locked them.
-- Parameters:
--   kinds  text[]  one for each key
--   keys   text[]  the keys
-- Returns how many were removed, as its row count.
-- Locks: unique_key, held already. Index: unique_key_pkey, job_pkey.
DELETE FROM {schema}.unique_key k
USING unnest(:kinds::text[], :keys::text[]) v (kind, key)
WHERE k.kind = v.kind AND k.key = v.key
  AND NOT EXISTS (SELECT FROM {schema}.job j WHERE j.id = k.job AND j.state = 'pending')
