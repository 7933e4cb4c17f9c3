-- Name the tables whose sequence of ids is behind the highest one in use. Reads only.
-- Returns a row per table that is.
-- Locks: none. Index: job_pkey, lane_pkey and failure_pkey, for the highest ids.
SELECT s.name
FROM (
    SELECT 'job' AS name, (SELECT max(j.id) FROM {schema}.job j) AS highest
    UNION ALL SELECT 'lane', (SELECT max(l.id) FROM {schema}.lane l)
    UNION ALL SELECT 'failure', (SELECT max(f.id) FROM {schema}.failure f)
) s
WHERE s.highest > coalesce(
    pg_sequence_last_value(pg_get_serial_sequence('{schema}.' || s.name, 'id')), 0
)
ORDER BY s.name;
