-- Part of the statements that read changes: the sources that have any, found one by one, so that
-- the number of their changes does not matter.
-- Locks: none. Index: change_pkey.
(
    WITH RECURSIVE source (id) AS (
        (SELECT c.source FROM {schema}.change c ORDER BY c.source LIMIT 1)
        UNION ALL
        SELECT (
            SELECT c.source FROM {schema}.change c WHERE c.source > s.id ORDER BY c.source LIMIT 1
        )
        FROM source s WHERE s.id IS NOT NULL
    )
    SELECT id FROM source WHERE id IS NOT NULL
)
