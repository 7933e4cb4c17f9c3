-- Insert the jobs whose unique key is free, or names a final job. Returns those jobs.
-- Parameters:
--   queue         text         where they wait
--   kind          text         which handler runs them
--   priority      int2         from 0, the first, to 9
--   run_at        timestamptz  when they run, or NULL
--   delay_s       float8       without run_at, in how many seconds they do
--   max_attempts  int2         how often each may be tried, or NULL
--   tags          text[]       their labels, or NULL
--   unique_keys   text[]       one for each job, none twice
--   keys          text[]       one for each job
--   args          text[]       one for each job, as JSON texts
--   gone          int8[]       holders of keys that are known to be gone
-- A job that this snapshot cannot see may be one that another transaction has just committed, and
-- it keeps its key. So does a job whose key has a row newer than this snapshot: it was final, but
-- has been retried. Keys are locked in one order, so that two such statements never deadlock.
-- Locks: unique_key by key, then as in enqueue_one. Index: unique_key_pkey, job_pkey,
-- lane_queue_kind_key.
WITH given AS MATERIALIZED (
    SELECT nextval('{schema}.job_id_seq'::regclass) AS id, u.unique_key, u.key, u.args
    FROM unnest(:unique_keys::text[], :keys::text[], :args::text[]) u (unique_key, key, args)
), held AS (
    INSERT INTO {schema}.unique_key AS k (kind, key, job)
    SELECT :kind, g.unique_key, g.id FROM given g ORDER BY g.unique_key COLLATE "C"
    ON CONFLICT (kind, key) DO UPDATE SET job = excluded.job
    WHERE k.job = ANY (:gone::int8[])
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
    SELECT g.id, :queue, :kind, :priority::int2,
        coalesce(
            :run_at::timestamptz,
            statement_timestamp() + :delay_s::float8 * interval '1 second'
        ),
        :max_attempts::int2, :tags::text[], g.key, g.unique_key, g.args::json
    FROM given g JOIN held h ON h.job = g.id
)
SELECT h.key, h.job FROM held h
