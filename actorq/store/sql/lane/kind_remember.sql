-- Store the type of a kind's args. Returns the type stored before, or NULL.
-- Writes only what has changed, because supervisors start often and types change rarely.
-- Parameters:
--   kind         text  its name
--   fingerprint  text  of the type of its args
-- Locks: kind, even if nothing has changed. Index: kind_pkey.
WITH old AS MATERIALIZED (
    SELECT k.fingerprint FROM {schema}.kind k WHERE k.name = :kind
), new AS (
    INSERT INTO {schema}.kind AS k (name, fingerprint) VALUES (:kind, :fingerprint)
    ON CONFLICT (name) DO UPDATE
    SET fingerprint = excluded.fingerprint, declared_at = statement_timestamp()
    WHERE k.fingerprint IS DISTINCT FROM excluded.fingerprint
)
SELECT (SELECT fingerprint FROM old)
