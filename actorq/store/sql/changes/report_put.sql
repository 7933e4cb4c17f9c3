-- Store what a supervisor is doing.
-- Parameters:
--   node    uuid  the supervisor
--   report  json  its report
-- Locks: report. Index: report_pkey.
INSERT INTO {schema}.report (node, report) VALUES (:node::uuid, :report::json)
ON CONFLICT (node) DO UPDATE SET at = clock_timestamp(), report = excluded.report
