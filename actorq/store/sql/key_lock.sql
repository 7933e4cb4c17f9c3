-- Lock the next $3 unique keys behind ($1, $2), but those that somebody is using. Returns them, in
-- order. What they name is asked in a statement of its own, whose snapshot is newer than the locks.
-- Locks: unique_key by key. Index: unique_key_pkey.
SELECT k.kind, k.key
FROM {schema}.unique_key k
WHERE (k.kind, k.key) > ($1::text, $2::text)
ORDER BY k.kind, k.key
LIMIT $3::int8
FOR UPDATE SKIP LOCKED
