-- Return the last id of the next jobs from a given id on, NULL if none is left, and their number.
-- Reads only.
-- Parameters:
--   first  int8  that id
--   n      int8  how many jobs
-- Locks: none. Index: job_pkey.
SELECT max(s.id) AS last, count(*)::int8 AS n
FROM (SELECT j.id FROM {schema}.job j WHERE j.id >= :first::int8 ORDER BY j.id LIMIT :n::int8) s;
