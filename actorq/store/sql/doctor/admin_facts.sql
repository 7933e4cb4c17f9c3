-- Facts about the server and the tables, as doctor needs them. Reads only.
-- Returns: one row.
-- Locks: none. Index: none of ours.
SELECT current_setting('server_version_num')::int AS version,
    current_setting('server_version') AS version_text,
    current_setting('server_encoding') AS encoding,
    current_setting('autovacuum') = 'on' AND current_setting('track_counts') = 'on' AS autovacuum,
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS durable,
    (
        SELECT max(extract(epoch FROM clock_timestamp() - a.xact_start))::float8
        FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
          AND a.backend_xmin IS NOT NULL AND a.backend_type = 'client backend'
    ) AS oldest_snapshot_s,
    (
        SELECT max(extract(epoch FROM clock_timestamp() - p.prepared))::float8
        FROM pg_prepared_xacts p
    ) AS oldest_prepared_s,
    (
        SELECT max(greatest(age(c.relfrozenxid), mxid_age(c.relminmxid)))
        FROM pg_class j JOIN pg_class c ON c.relnamespace = j.relnamespace AND c.relkind = 'r'
        WHERE j.oid = '{schema}.job'::regclass
    ) AS oldest_xid_age,
    (
        SELECT string_agg(t.tgname, ', ' ORDER BY t.tgname)
        FROM pg_trigger t
        WHERE t.tgrelid = '{schema}.job'::regclass AND NOT t.tgisinternal AND t.tgenabled <> 'O'
    ) AS triggers_off,
    (
        SELECT count(*)
        FROM pg_trigger t
        WHERE t.tgrelid = '{schema}.job'::regclass
          AND t.tgname IN (
              'job_inserted', 'job_kept', 'job_placed', 'job_stated', 'job_deleted', 'job_emptied'
          )
    ) AS n_triggers;
