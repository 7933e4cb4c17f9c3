-- Register a supervisor; a uuid that was used before is refused.
INSERT INTO {schema}.node (id, host, boot_id, pid_ns, pid, pid_start, ttl_s)
VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::int4, $6::text, $7::float4)
