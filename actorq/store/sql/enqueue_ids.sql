-- Take ids for $1 jobs out of the sequence, and say at which instant they run: COPY takes values
-- only. $2 run_at or NULL, $3 delay in seconds.
-- Locks: none. Index: none.
SELECT
    coalesce($2::timestamptz, statement_timestamp() + $3::float8 * interval '1 second')::text,
    array(
        SELECT nextval('{schema}.job_id_seq'::regclass) FROM generate_series(1, $1)
    )
