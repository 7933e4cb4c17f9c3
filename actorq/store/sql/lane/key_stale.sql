-- Examine the next unique keys behind a given one, and lock those that name no pending job, except
-- keys that somebody is using. key_sweep.sql then checks them again with a snapshot newer than the
-- locks, because a retry takes its key back.
-- Parameters:
--   kind   text  of the key behind which to look
--   key    text  that key
--   limit  int8  how many to examine
-- Returns one row: how many were examined, kind and key of the last one, and the locked ones.
-- Locks: unique_key by key. Index: unique_key_pkey, job_pkey.
WITH next AS MATERIALIZED (
    SELECT k.kind, k.key, k.job
    FROM {schema}.unique_key k
    WHERE (k.kind, k.key) > (:kind::text, :key::text)
    ORDER BY k.kind, k.key
    LIMIT :limit::int8
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
