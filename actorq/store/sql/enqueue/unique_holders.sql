-- Say which jobs hold unique keys of a kind, and whether they still exist. It is a statement of
-- its own because it needs a snapshot taken after the insert that met these keys.
-- A job that row-level security may hide from the caller exists, as far as anybody knows here.
-- Parameters:
--   kind         text    whose keys they are
--   unique_keys  text[]  which to look up
-- Locks: none. Index: unique_key_pkey, job_pkey.
SELECT k.key, k.job, EXISTS (SELECT FROM {schema}.job j WHERE j.id = k.job)
    OR row_security_active('{schema}.job'::regclass)
FROM {schema}.unique_key k
WHERE k.kind = :kind AND k.key = ANY (:unique_keys::text[])
