-- Pause ($2) or resume the kind $1.
INSERT INTO {schema}.kind (name, paused_at)
VALUES ($1::text, CASE WHEN $2::bool THEN statement_timestamp() END)
ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at;
