-- Reserve ids for some jobs, and compute the instant at which they run, because COPY accepts only
-- values. The instant is text that every DateStyle reads alike: in the caller's own style, servers
-- before 18 confused days with months, or the zone's name with that of another zone.
-- Parameters:
--   n        int4         how many ids to take
--   run_at   timestamptz  when the jobs run, or NULL
--   delay_s  float8       without run_at, in how many seconds they do
-- Locks: none. Index: none.
SELECT
    to_char(
        coalesce(
            :run_at::timestamptz,
            statement_timestamp() + :delay_s::float8 * interval '1 second'
        )
            AT TIME ZONE 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    ),
    array(
        SELECT nextval('{schema}.job_id_seq'::regclass) FROM generate_series(1, :n)
    )
