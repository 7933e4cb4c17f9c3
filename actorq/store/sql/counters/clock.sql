-- Return the beginning of the present minute, and how many seconds of it are over.
-- Locks: none. Index: none.
SELECT date_trunc('minute', statement_timestamp(), 'UTC') AS minute,
    extract(second FROM statement_timestamp())::float8 AS over_s
