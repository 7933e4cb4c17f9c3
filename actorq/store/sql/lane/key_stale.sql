-- Look at the next $3 unique keys behind ($1, $2), and lock those that name no pending job, but
-- none that somebody is using. What they name then is asked once more by key_sweep.sql, whose
-- snapshot is newer than the locks: a retry takes its key back.
-- Returns one row: how many were looked at, kind and key of the last one, and the locked ones.
-- Locks: unique_key by key. Index: unique_key_pkey, job_pkey.
WITH next AS MATERIALIZED (
    SELECT k.kind, k.key, k.job
    FROM {schema}.unique_key k
    WHERE (k.kind, k.key) > ($1::text, $2::text)
    ORDER BY k.kind, k.key
    LIMIT $3::int8
), stale AS MATERIALIZED (
    SELECT k.kind, k.key
    FROM next n, {schema}.unique_key k
    WHERE k.kind = n.kind AND k.key = n.key
      AND NOT EXISTS (SELECT FROM {schema}.job j WHERE j.id = n.job AND j.state = 'pending')
    ORDER BY k.kind, k.key
    FOR UPDATE OF k SKIP LOCKED
)
SELECT (SELECT count(*) FROM next) AS n,
    (SELECT n.kind FROM next n ORDER BY n.kind DESC, n.key DESC LIMIT 1),
    (SELECT n.key FROM next n ORDER BY n.kind DESC, n.key DESC LIMIT 1),
    ARRAY(SELECT s.kind FROM stale s ORDER BY s.kind, s.key),
    ARRAY(SELECT s.key FROM stale s ORDER BY s.kind, s.key)
