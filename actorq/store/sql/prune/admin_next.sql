-- Return the id of the next job above a given id; NULL if there is none. Reads only.
-- Parameters:
--   after  int8  that id
-- Locks: none. Index: job_pkey.
SELECT min(j.id) AS id FROM {schema}.job j WHERE j.id > :after::int8;
