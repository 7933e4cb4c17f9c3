-- List the registered supervisors.
-- Returns a row each, with the last beat in microseconds.
-- Locks: none. Index: none, all of node is read.
SELECT id::text, host, pid, ttl_s::float8, boot_id, pid_ns, pid_start,
    (extract(epoch FROM beat_at) * 1000000)::int8, guardian_pid, guardian_start
FROM {schema}.node
