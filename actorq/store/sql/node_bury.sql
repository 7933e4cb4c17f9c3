-- Declare a supervisor dead, unless it has shown life since $2; NULL: whatever it has shown.
WITH dead AS (
    DELETE FROM {schema}.node
    WHERE id = $1::uuid
      AND ($2::int8 IS NULL OR (extract(epoch FROM beat_at) * 1000000)::int8 = $2::int8)
    RETURNING id
), quiet AS (
    DELETE FROM {schema}.hunger WHERE node IN (SELECT id FROM dead)
), forgotten AS (
    DELETE FROM {schema}.settled WHERE node IN (SELECT id FROM dead)
)
SELECT count(*) FROM dead
