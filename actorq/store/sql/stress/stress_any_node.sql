-- Tell whether there is any supervisor. Reads only.
-- Locks: none. Index: none; the first row that is met decides.
SELECT EXISTS (SELECT FROM {schema}.node) AS any_node;
