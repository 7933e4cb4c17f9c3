-- Read a lease of one's own with the jobs that are still open under it. $1 node, $2 lease.
-- Returns: lane, suspect, seq, whether it was settled in part, its jobs if those that are open and
-- pending, by id, are not the same; these, lengths of args, args, counters of those not fresh.
-- One pass over the index for all of them, which brings them by id.
-- Locks: none. Index: lease_pkey, job_pkey.
WITH held AS MATERIALIZED (
    SELECT lane, suspect, seq, open, jobs FROM {schema}.lease
    WHERE node = $1::uuid AND n = $2::int8
), got AS MATERIALIZED (
    SELECT array_agg(j.id) AS ids, array_agg(octet_length(j.args)) AS lens,
        string_agg(j.args, ',') AS args, string_agg(j.note, ';') AS notes
    FROM (
        SELECT j.id, j.args::text AS args,
            CASE WHEN j.attempt <> 0 OR j.max_attempts IS NOT NULL OR j.n_lost <> 0
                OR j.n_crashed <> 0 OR j.n_failed <> 0
            THEN concat_ws(',', j.id, j.attempt, j.n_failed, j.n_crashed, j.n_lost,
                coalesce(j.max_attempts, 0)) END AS note
        FROM {schema}.job j
        WHERE j.id = ANY ((
            -- One that was never settled in part is read as it stands: a quarter of the cost.
            SELECT CASE WHEN held.open IS NULL THEN held.jobs ELSE ARRAY(
                SELECT u.id FROM unnest(held.jobs) WITH ORDINALITY u (id, k)
                WHERE get_bit(held.open, u.k - 1) = 1
            ) END FROM held
        )::int8[]) AND j.state = 'pending'
        OFFSET 0
    ) j
)
SELECT held.lane, held.suspect, held.seq, held.open IS NOT NULL,
    CASE WHEN held.jobs <> got.ids OR got.ids IS NULL THEN held.jobs END,
    got.ids, got.lens, got.args, got.notes
FROM held, got
