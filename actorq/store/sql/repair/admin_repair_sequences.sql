-- Move the sequences of ids beyond the highest ids in use; never backwards.
-- Returns a row per sequence that it has moved.
-- Locks: none. Index: job_pkey, lane_pkey and failure_pkey, for the highest ids.
SELECT s.name, setval(s.sequence, s.highest)
FROM (
    SELECT s.name, s.highest, pg_get_serial_sequence('{schema}.' || s.name, 'id') AS sequence
    FROM (
        SELECT 'job' AS name, (SELECT max(j.id) FROM {schema}.job j) AS highest
        UNION ALL SELECT 'lane', (SELECT max(l.id) FROM {schema}.lane l)
        UNION ALL SELECT 'failure', (SELECT max(f.id) FROM {schema}.failure f)
    ) s
) s
WHERE s.highest > coalesce(pg_sequence_last_value(s.sequence), 0);
