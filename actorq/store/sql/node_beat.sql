-- Say that a supervisor lives, and read its leases.
WITH me AS (
    UPDATE {schema}.node SET beat_at = clock_timestamp() WHERE id = $1::uuid RETURNING id
)
SELECT (SELECT count(*) FROM me), ARRAY(SELECT n FROM {schema}.lease WHERE node = $1::uuid)
