-- Read a lease of one's own with the jobs that are still open under it.
-- Parameters:
--   node       uuid  whose lease it is
--   lease      int8  its number
--   part_jobs  int4  how many jobs to a row, of which there are four at most
-- Returns: lane, suspect, seq, whether it was settled in part; and for so many of its jobs a row:
-- where they stand among all; their order, if that of those that are pending, by id, is not the
-- same; these, lengths of args, args with a comma between, counters of those not fresh.
-- A job of another queue or kind than the lane is not among them: no handler may run it.
-- Locks: none. Index: lease_pkey, lane_pkey, job_pkey.
WITH held AS MATERIALIZED (
    -- One that was never settled in part is read as it stands, a quarter of the cost, but once:
    -- without [:] its pieces would each be cut out of what is stored apart.
    SELECT l.lane, l.suspect, l.seq, l.open IS NOT NULL AS opened,
        CASE WHEN l.open IS NULL THEN l.jobs[:]
            ELSE ARRAY(SELECT u.id FROM {schema}.open_jobs(l.jobs, l.open) u ORDER BY u.k)
        END AS ids,
        (SELECT a.queue FROM {schema}.lane a WHERE a.id = l.lane) AS queue,
        (SELECT a.kind FROM {schema}.lane a WHERE a.id = l.lane) AS kind
    FROM {schema}.lease l
    WHERE l.node = :node::uuid AND l.n = :lease::int8
)
SELECT held.lane, held.suspect, held.seq, held.opened,
    k, CASE WHEN part.ids <> got.ids OR got.ids IS NULL THEN part.ids END AS jobs,
    got.ids, got.lens, got.args, got.notes
FROM held,
    LATERAL (SELECT greatest(:part_jobs::int4, (cardinality(held.ids) + 3) / 4) AS n) size,
    generate_series(0, greatest(cardinality(held.ids) - 1, 0), size.n) k,
    LATERAL (SELECT held.ids[k + 1 : k + size.n] AS ids OFFSET 0) part,
    LATERAL (
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
              AND j.queue = held.queue AND j.kind = held.kind
            OFFSET 0
        ) j
    ) got
