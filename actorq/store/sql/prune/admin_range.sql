-- Return the last id of the next $2 jobs from id $1 on, NULL if none is left, and how many these
-- are. Reads only.
-- Locks: none. Index: job_pkey.
SELECT max(s.id) AS last, count(*)::int8 AS n
FROM (SELECT j.id FROM {schema}.job j WHERE j.id >= $1::int8 ORDER BY j.id LIMIT $2::int8) s;
