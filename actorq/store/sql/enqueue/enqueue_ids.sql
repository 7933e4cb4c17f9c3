-- Take ids for $1 jobs out of the sequence, and say at which instant they run: COPY takes values
-- only. $2 run_at or NULL, $3 delay in seconds. The instant is text that every DateStyle reads
-- alike: in the caller's own style servers before 18 took the days for months, or the zone's name
-- for another one's.
-- Locks: none. Index: none.
SELECT
    to_char(
        coalesce($2::timestamptz, statement_timestamp() + $3::float8 * interval '1 second')
            AT TIME ZONE 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    ),
    array(
        SELECT nextval('{schema}.job_id_seq'::regclass) FROM generate_series(1, $1)
    )
