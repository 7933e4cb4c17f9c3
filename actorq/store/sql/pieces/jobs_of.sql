-- Part of the statements that bring jobs along: the jobs `part.ids` of the lane `home`.
-- Returns: their order, if that of those that are pending, by id, is not the same; these, lengths
-- of args, args with a comma between, counters of those not fresh. A job of another queue or kind
-- than the lane's is not among them, which a restore may have put there: no handler of this kind
-- may run it.
-- Locks: none. Index: job_pkey.
LATERAL (
    SELECT CASE WHEN part.ids <> found.ids OR found.ids IS NULL THEN part.ids END AS jobs, found.*
    FROM (
        -- One pass over the index for all of them, which brings them by id.
        SELECT array_agg(j.id) AS ids, array_agg(octet_length(j.args)) AS lens,
            string_agg(j.args, ',') AS args, string_agg(j.note, ';') AS notes
        FROM (
            SELECT j.id, json_send(j.args) AS args,
                CASE WHEN j.attempt <> 0 OR j.max_attempts IS NOT NULL OR j.n_lost <> 0
                    OR j.n_crashed <> 0 OR j.n_failed <> 0
                THEN concat_ws(',', j.id, j.attempt, j.n_failed, j.n_crashed, j.n_lost,
                    coalesce(j.max_attempts, 0)) END AS note
            FROM {schema}.job j
            WHERE j.id = ANY (part.ids) AND j.state = 'pending'
              AND j.queue = home.queue AND j.kind = home.kind
            OFFSET 0
        ) j
    ) found
) got
