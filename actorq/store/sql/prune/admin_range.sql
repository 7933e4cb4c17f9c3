-- Return the last id of the next jobs from an id on; NULL if none is left. Reads only.
-- Parameters:
--   first  int8  that id
--   n      int8  how many jobs
-- Locks: none. Index: job_pkey.
SELECT max(s.id) AS last
FROM (SELECT j.id FROM {schema}.job j WHERE j.id >= :first::int8 ORDER BY j.id LIMIT :n::int8) s;
