-- Return the server's settings that figures depend on. Reads only.
-- Parameters:
--   names  text[]  which
-- Returns a row per setting that this server has.
-- Locks: none. Index: none.
SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY (:names::text[])
ORDER BY name;
