-- Read the stored results of completed jobs as JSON text.
-- Parameters:
--   ids  int8[]  jobs that somebody has waited for
-- Locks: none. Index: result_pkey, one lookup for each id.
SELECT w.id, r.value
FROM unnest(:ids::int8[]) AS w (id)
CROSS JOIN LATERAL (
    SELECT r.value::text AS value FROM {schema}.result r WHERE r.job = w.id OFFSET 0
) r
