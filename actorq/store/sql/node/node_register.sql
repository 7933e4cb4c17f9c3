-- Register a supervisor; a uuid that was used before is refused.
-- $1 node, $2 host, $3 boot_id, $4 pid_ns, $5 pid, $6 pid_start, $7 ttl_s, $8 and $9 pid and
-- start of its guardian, or NULL, $10 the newest migration that its code knows. Returns nothing.
-- Locks: none but its new row. Index: node_pkey.
INSERT INTO {schema}.node (id, host, boot_id, pid_ns, pid, pid_start, ttl_s,
    guardian_pid, guardian_start, code)
VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::int4, $6::text, $7::float4,
    $8::int4, $9::text, $10::int4)
