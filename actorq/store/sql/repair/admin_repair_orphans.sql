-- Delete the failures and results of those jobs, among some, that do not exist. Returns nothing.
-- Parameters:
--   ids  int8[]  the jobs
-- Locks: the rows that it deletes. Index: failure_of_job, result_pkey, job_pkey.
WITH gone AS MATERIALIZED (
    SELECT u.id
    FROM unnest(:ids::int8[]) u (id)
    WHERE NOT EXISTS (SELECT FROM {schema}.job j WHERE j.id = u.id)
), failures AS (
    DELETE FROM {schema}.failure f USING gone g WHERE f.job = g.id
)
DELETE FROM {schema}.result r USING gone g WHERE r.job = g.id;
