-- Return what names this schema: when it was made; the present time; and its channels.
-- Locks: none. Index: migration_pkey.
SELECT m.begun_at::text AS stamp, extract(epoch FROM clock_timestamp())::float8 AS now,
    'actorq_' || to_regnamespace('{schema}')::oid AS supervisors,
    'actorq_' || to_regnamespace('{schema}')::oid || '_changes' AS changes
FROM {schema}.migration m WHERE m.n = 1
