-- Register a supervisor; a uuid that was used before is refused.
-- Parameters:
--   node            uuid    its fresh uuid
--   host            text    the name of its machine
--   boot_id         text    the boot id of that machine, or NULL
--   pid_ns          text    the namespace of its process id, or NULL
--   pid             int4    its process
--   pid_start       text    when that process was started, or NULL
--   ttl_s           float4  after so many seconds of silence it counts as dead
--   guardian_pid    int4    the process of its guardian, or NULL
--   guardian_start  text    when that process was started, or NULL
--   code            int4    the newest migration that its code knows
-- Returns nothing.
-- Locks: none but its new row. Index: node_pkey.
INSERT INTO {schema}.node (id, host, boot_id, pid_ns, pid, pid_start, ttl_s,
    guardian_pid, guardian_start, code)
VALUES (:node::uuid, :host::text, :boot_id::text, :pid_ns::text, :pid::int4, :pid_start::text,
    :ttl_s::float4, :guardian_pid::int4, :guardian_start::text, :code::int4)
