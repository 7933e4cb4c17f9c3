-- Return those of the jobs $1 that foreign keys of others keep from being deleted. Reads only.
-- Locks: none. Index: those of the tables that refer.
SELECT u.id FROM unnest({schema}.referenced($1::int8[])) u (id);
