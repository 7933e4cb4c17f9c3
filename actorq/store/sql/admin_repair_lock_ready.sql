-- Lock what stands in `ready` of the jobs $1: waits for claims under way; later ones skip it.
-- Locks: ready by id. Index: none, all of ready is read.
SELECT r.id
FROM {schema}.ready r
WHERE EXISTS (
    SELECT FROM unnest(coalesce(r.jobs, ARRAY[r.id])) u (id) WHERE u.id = ANY($1::int8[])
)
ORDER BY r.id
FOR UPDATE;
