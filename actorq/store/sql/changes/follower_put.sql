-- Register a follower, or renew its registration.
-- Parameters:
--   id       uuid    its own fresh id
--   name     text    what it is called
--   jobs     bool    whether changes are to name their jobs for it
--   parts    bool    whether supervisors are to tell of their batches, actors and kinds
--   hint     bool    whether it wants a notification of changes
--   reports  bool    whether supervisors are to report what they are doing
--   ttl_s    float8  for how long
-- Locks: follower. Index: follower_pkey.
WITH async AS MATERIALIZED (
    -- Whoever follows does so again after a crash: it need not wait for the disk.
    SELECT set_config('synchronous_commit', 'off', true) AS setting
)
INSERT INTO {schema}.follower (id, name, jobs, parts, hint, reports, until)
SELECT :id::uuid, :name::text, :jobs::bool, :parts::bool, :hint::bool, :reports::bool,
    clock_timestamp() + :ttl_s::float8 * interval '1 second'
FROM async
ON CONFLICT (id) DO UPDATE SET until = excluded.until
