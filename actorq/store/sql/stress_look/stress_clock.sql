-- Return the server's clock, in microseconds since 1970. Reads only.
-- Locks: none. Index: none.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8 AS now_us;
