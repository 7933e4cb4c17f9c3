-- Return the next job's id above $1; NULL if there is none. Reads only.
-- Locks: none. Index: job_pkey.
SELECT min(j.id) AS id FROM {schema}.job j WHERE j.id > $1::int8;
