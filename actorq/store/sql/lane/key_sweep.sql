-- Remove those of the unique keys $1 (kinds) and $2 (keys) that name no pending job.
-- Returns how many went, by its count of rows. The keys are locked by key_stale.sql.
-- Locks: unique_key, held already. Index: unique_key_pkey, job_pkey.
DELETE FROM {schema}.unique_key k
USING unnest($1::text[], $2::text[]) v (kind, key)
WHERE k.kind = v.kind AND k.key = v.key
  AND NOT EXISTS (SELECT FROM {schema}.job j WHERE j.id = k.job AND j.state = 'pending')
