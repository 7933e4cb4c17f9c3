-- Make the table of what supervisors report of themselves while somebody looks.
-- Phase: expand.
-- Runs: in a transaction.
-- Locks: none.

-- What a supervisor is doing, see core/report.py; replaced about once a second, so not worth any
-- WAL: after a crash of the server it is empty for a second.
CREATE UNLOGGED TABLE {schema}.report (
    node   uuid        PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    report json        NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
