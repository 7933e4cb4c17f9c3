-- Tell how the database is doing. Reads only.
-- Returns one row: what this role may not see is NULL, and `sees_all` false.
-- Locks: none. Index: none of ours.
SELECT current_setting('server_version') AS version, current_database() AS database,
    (SELECT count(*) FROM pg_stat_activity a WHERE a.backend_type = 'client backend')
        AS n_connections,
    current_setting('max_connections')::int AS max_connections,
    (
        SELECT max(extract(epoch FROM clock_timestamp() - a.xact_start))::float8
        FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
          AND a.backend_xmin IS NOT NULL AND a.backend_type = 'client backend'
    ) AS oldest_snapshot_s,
    (
        SELECT s.n_dead_tup FROM pg_stat_all_tables s WHERE s.relid = '{schema}.ready'::regclass
    ) AS n_dead,
    (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 AS wal_bytes,
    extract(epoch FROM clock_timestamp())::float8 AS now_s,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all, current_user::text AS role;
