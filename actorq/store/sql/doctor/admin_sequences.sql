-- Name the tables whose sequence of ids is behind the highest id in use. Reads only.
-- Returns a row per such table; behind is NULL where this role may not read the sequence.
-- Locks: none. Index: job_pkey, lane_pkey and failure_pkey, for the highest ids.
SELECT s.name, s.behind
FROM (
    SELECT t.name,
        CASE WHEN has_sequence_privilege(q.sequence, 'USAGE, SELECT')
        THEN coalesce(t.highest > coalesce(pg_sequence_last_value(q.sequence::regclass), 0), false)
        END AS behind
    FROM (
        SELECT 'job' AS name, (SELECT max(j.id) FROM {schema}.job j) AS highest
        UNION ALL SELECT 'lane', (SELECT max(l.id) FROM {schema}.lane l)
        UNION ALL SELECT 'failure', (SELECT max(f.id) FROM {schema}.failure f)
    ) t,
        LATERAL (SELECT pg_get_serial_sequence('{schema}.' || t.name, 'id') AS sequence) q
) s
WHERE s.behind IS DISTINCT FROM false
ORDER BY s.name;
