-- Lock the rows of some jobs in `ready`: this waits for running claims, and later ones skip them.
-- Parameters:
--   ids  int8[]  the jobs
-- Locks: ready by id. Index: none, all of ready is read.
SELECT r.id
FROM {schema}.ready r
WHERE CASE WHEN r.jobs IS NULL THEN r.id = ANY(:ids::int8[])
    ELSE EXISTS (SELECT FROM unnest(r.jobs) u (id) WHERE u.id = ANY(:ids::int8[])) END
ORDER BY r.id
FOR UPDATE;
