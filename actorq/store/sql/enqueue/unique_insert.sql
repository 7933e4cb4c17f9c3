-- Insert the jobs whose unique key is free, or names a job that is final. Returns those.
-- $1 queue, $2 kind, $3 priority, $4 run_at or NULL, $5 delay in seconds, $6 max_attempts, $7 tags,
-- $8 unique keys (each once), $9 keys, $10 args as JSON texts, $11 holders known to be gone.
-- A job that this snapshot cannot see may be one that another transaction has just committed: it
-- holds its key. So does one whose key has a row newer than this snapshot: it has been retried, and
-- was final only before. Keys are taken in one order, so that two such statements never deadlock.
-- Locks: unique_key by key, then as in enqueue_one. Index: unique_key_pkey, job_pkey,
-- lane_queue_kind_key.
WITH given AS MATERIALIZED (
    SELECT nextval('{schema}.job_id_seq'::regclass) AS id, u.unique_key, u.key, u.args
    FROM unnest($8::text[], $9::text[], $10::text[]) u (unique_key, key, args)
), held AS (
    INSERT INTO {schema}.unique_key AS k (kind, key, job)
    SELECT $2, g.unique_key, g.id FROM given g ORDER BY g.unique_key COLLATE "C"
    ON CONFLICT (kind, key) DO UPDATE SET job = excluded.job
    WHERE k.job = ANY ($11::int8[])
       OR EXISTS (SELECT FROM {schema}.job j WHERE j.id = k.job AND j.state <> 'pending')
          AND EXISTS (
              SELECT FROM {schema}.unique_key seen
              WHERE seen.kind = k.kind AND seen.key = k.key AND seen.ctid = k.ctid
          )
    RETURNING k.key, k.job
), made AS (
    INSERT INTO {schema}.job (
        id, queue, kind, priority, run_at, max_attempts, tags, key, unique_key, args
    )
    SELECT g.id, $1, $2, $3::int2,
        coalesce($4::timestamptz, statement_timestamp() + $5::float8 * interval '1 second'),
        $6::int2, $7::text[], g.key, g.unique_key, g.args::json
    FROM given g JOIN held h ON h.job = g.id
)
SELECT h.key, h.job FROM held h
