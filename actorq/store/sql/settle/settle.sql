-- Write the outcomes of any number of batches, in one statement.
-- Parameters:
--   node           uuid      who settles
--   settle_no      int8      the number of this statement, odd or even for each of a node's two
--                            settlers
--   ended          int8[]    leases that end: their numbers
--   ended_seqs     int4[]    their sequence numbers
--   going_on       int8[]    leases that go on: their numbers
--   going_on_seqs  int4[]    their sequence numbers
--   open           bytea[]   for each of these a bit per job, set if the job is still open
--   ids            int8[]    all outcomes except the completions of {rows}, one element for each
--                            job: its id
--   ks             int4[]    the lease of each, see k below
--   attempts       int4[]    the attempt that each was claimed with
--   states         text[]    the state that each goes to
--   charges        int2[]    0, or what is counted against it: 1 for a failure, 2 for a crash
--   retries_s      float8[]  in how many seconds it runs again; NULL: at its run_at
--   suspects       int4[]    the group in which it waits then
--   results        text[]    what it returned as JSON text, or NULL
--   causes         text[]    what its failure was, or NULL
--   types          text[]    the type of its error, or NULL
--   messages       text[]    the text of its error, or NULL
--   tracebacks     text[]    the traceback of its error, or NULL
--   times          json      for each lane the figures of the batches that end, or NULL
--   n_jobs         int8      how many jobs all these and the completions are
-- {rows}: completions, one row for the jobs of a batch that had the same attempt: (k, attempt, ids,
-- results or NULL), numbered behind the parameters. Results are one text with a record separator
-- (1E) between them and a unit separator (1F) for a missing one. JSON can contain neither of these;
-- an array would be parsed character by character.
-- Returns: the leases (k) that matched; the jobs that were written, NULL if those were all; whether
-- a statement of this number, or a later one of this settler, has committed; and whether somebody
-- wants to be notified. If that commits while this one runs, change_pkey refuses this one. k counts this statement's leases from 1: first those that end,
-- then those that go on. A job that runs again goes into its own lane.
-- The row of `change` counts what was written, and nothing else. The figures in `times` are dropped
-- if one of the leases did not match. Jobs are named in it while somebody follows them.
-- Locks: node (KEY SHARE), lease, job (of a batch by id), in this order, which is ensured by
-- reading `held` in every later step.
-- Index: node_pkey, change_pkey, lease_pkey, job_pkey, lane_queue_kind_key, result_pkey. No step
-- joins rows with another step's, because the planner might do that by brute force; what an insert
-- needs is carried along. No counter can overflow, whatever was inserted, because that would
-- prevent all outcomes from being written.
WITH me AS MATERIALIZED (
    -- Prevents the node from being declared dead meanwhile, but not from beating.
    SELECT id FROM {schema}.node WHERE id = :node::uuid FOR KEY SHARE
), fresh AS MATERIALIZED (
    -- A statement that is so late that its settler has gone on without it must write nothing. If
    -- that happens while this one runs, its number is in use, and all of it is rolled back. Numbers
    -- far ahead are none of the settler's, whoever has written them, and must not stop it.
    SELECT me.id FROM me
    WHERE NOT EXISTS (
        SELECT FROM {schema}.change c
        WHERE c.source = :node::uuid AND c.no % 2 = :settle_no::int8 % 2
          AND c.no BETWEEN :settle_no::int8 AND :settle_no::int8 + 1000000
    )
), wanted AS MATERIALIZED (
    SELECT coalesce(bool_or(jobs), false) AS jobs, coalesce(bool_or(hint), false) AS hint
    FROM {schema}.follower WHERE until > statement_timestamp()
), closed AS MATERIALIZED (
    DELETE FROM {schema}.lease l
    USING unnest(:ended::int8[], :ended_seqs::int4[]) WITH ORDINALITY v (n, seq, k)
    WHERE l.node = :node::uuid AND l.n = v.n AND l.seq = v.seq AND (SELECT count(*) FROM fresh) = 1
    RETURNING v.k, l.lane, l.claimed_at
), bumped AS MATERIALIZED (
    UPDATE {schema}.lease l SET seq = l.seq + 1, open = v.open
    FROM unnest(:going_on::int8[], :going_on_seqs::int4[], :open::bytea[])
        WITH ORDINALITY v (n, seq, open, k)
    WHERE l.node = :node::uuid AND l.n = v.n AND l.seq = v.seq AND (SELECT count(*) FROM fresh) = 1
    RETURNING v.k + cardinality(:ended::int8[]) AS k, l.lane, l.claimed_at
), held AS MATERIALIZED (
    SELECT array_agg(lane ORDER BY k) AS lane, array_agg(at ORDER BY k) AS at
    FROM (
        SELECT k, max(lane) AS lane, max(at) AS at
        FROM (
            SELECT k, lane, claimed_at FROM closed
            UNION ALL SELECT k, lane, claimed_at FROM bumped
            UNION ALL SELECT k, 0, NULL
            FROM generate_series(1, cardinality(:ended::int8[]) + cardinality(:going_on::int8[])) k
        ) l (k, lane, at)
        GROUP BY k
    ) l
), done AS MATERIALIZED (
    -- One pass over the index for all jobs of a row of VALUES, by id.
    UPDATE {schema}.job j
    SET state = 'completed', attempt = least(j.attempt, 2147483646) + 1,
        attempted_at = (SELECT at FROM held)[v.k], finalized_at = statement_timestamp()
    FROM (VALUES {rows}) v (k, attempt, ids, results)
    WHERE j.id = ANY (v.ids) AND j.attempt = v.attempt AND j.state = 'pending'
      AND (SELECT lane FROM held)[v.k] > 0
    RETURNING j.id, v.k, j.attempt
), n_done AS MATERIALIZED (
    SELECT k, count(*) AS n FROM done GROUP BY k
), other AS MATERIALIZED (
    UPDATE {schema}.job j
    SET state = CASE WHEN v.state = 'pending' AND j.cancel_at IS NOT NULL THEN 'cancelled'
            ELSE v.state::{schema}.job_state END,
        attempt = least(j.attempt, 2147483646) + (v.charge > 0 OR v.state = 'completed')::int4,
        n_failed = least(j.n_failed + (v.charge = 1)::int4, 32767),
        n_crashed = least(j.n_crashed + (v.charge = 2)::int4, 32767),
        run_at = CASE WHEN v.retry_s IS NULL OR v.state <> 'pending' THEN j.run_at
            ELSE clock_timestamp() + v.retry_s * interval '1 second' END,
        attempted_at = (SELECT at FROM held)[v.k],
        finalized_at = CASE WHEN v.state <> 'pending' OR j.cancel_at IS NOT NULL
            THEN statement_timestamp() END
    FROM (
        SELECT * FROM unnest(
            :ids::int8[], :ks::int4[], :attempts::int4[], :states::text[], :charges::int2[],
            :retries_s::float8[], :suspects::int4[], :results::text[], :causes::text[],
            :types::text[], :messages::text[], :tracebacks::text[]
        ) v (
            id, k, attempt, state, charge, retry_s,
            suspect, result, cause, type, message, traceback
        )
        ORDER BY v.id
    ) v
    WHERE j.id = v.id AND j.attempt = v.attempt AND j.state = 'pending'
      AND (SELECT lane FROM held)[v.k] > 0
    RETURNING j.id, j.state, j.attempt, j.run_at, j.priority, j.queue, j.kind, v.suspect, v.result,
        v.cause, v.type, v.message, v.traceback, v.k, v.retry_s,
        CASE WHEN j.state <> 'pending' THEN j.state::text WHEN v.charge > 0 THEN 'retried'
            WHEN v.retry_s IS NOT NULL THEN 'snoozed' END AS became
), again AS (
    INSERT INTO {schema}.ready (id, run_at, lane, suspect, priority, again)
    SELECT o.id, o.run_at, coalesce(
            (SELECT a.id FROM {schema}.lane a WHERE a.queue = o.queue AND a.kind = o.kind),
            {schema}.made_lane(o.queue, o.kind)
        ), o.suspect, o.priority, o.attempt > 0
    FROM other o WHERE o.state = 'pending'
), results AS (
    INSERT INTO {schema}.result (job, value)
    -- IS TRUE stops the planner from turning this into a join.
    SELECT u.id, u.result::json
    FROM (VALUES {rows}) v (k, attempt, ids, results),
        unnest(v.ids, string_to_array(v.results, E'\x1e', E'\x1f')) u (id, result)
    WHERE u.result IS NOT NULL AND (u.id IN (SELECT d.id FROM done d)) IS TRUE
    UNION ALL
    SELECT id, result::json FROM other WHERE result IS NOT NULL AND state = 'completed'
    ON CONFLICT (job) DO UPDATE SET value = excluded.value
), failures AS (
    INSERT INTO {schema}.failure (job, attempt, lane, final, cause, type, message, traceback)
    SELECT o.id, o.attempt, coalesce(
            (SELECT a.id FROM {schema}.lane a WHERE a.queue = o.queue AND a.kind = o.kind),
            {schema}.made_lane(o.queue, o.kind)
        ), o.state = 'failed', o.cause, o.type, o.message, o.traceback
    FROM other o WHERE o.cause IS NOT NULL
), numbered AS (
    INSERT INTO {schema}.change (source, no, counts, times, jobs)
    SELECT fresh.id, :settle_no::int8,
        (
            SELECT coalesce(json_agg(json_build_array(
                c.lane, c.n_completed, c.n_failed, c.n_retried, c.n_snoozed, c.n_cancelled
            )), '[]')
            FROM (
                SELECT u.lane, coalesce(sum(u.n) FILTER (WHERE u.became = 'completed'), 0) AS n_completed,
                    coalesce(sum(u.n) FILTER (WHERE u.became = 'failed'), 0) AS n_failed,
                    coalesce(sum(u.n) FILTER (WHERE u.became = 'retried'), 0) AS n_retried,
                    coalesce(sum(u.n) FILTER (WHERE u.became = 'snoozed'), 0) AS n_snoozed,
                    coalesce(sum(u.n) FILTER (WHERE u.became = 'cancelled'), 0) AS n_cancelled
                FROM (
                    SELECT (SELECT lane FROM held)[d.k], d.n, 'completed' FROM n_done d
                    UNION ALL
                    SELECT (SELECT lane FROM held)[o.k], 1, o.became FROM other o
                ) u (lane, n, became)
                WHERE u.became IS NOT NULL
                GROUP BY u.lane
            ) c
        ),
        CASE WHEN (SELECT count(*) FROM closed) + (SELECT count(*) FROM bumped)
            = cardinality(:ended::int8[]) + cardinality(:going_on::int8[]) THEN :times::json END,
        CASE WHEN (SELECT jobs FROM wanted) THEN json_build_array(
            (
                SELECT coalesce(json_agg(json_build_array(d.lane, d.attempt, d.ids)), '[]')
                FROM (
                    SELECT (SELECT lane FROM held)[k] AS lane, attempt, array_agg(id) AS ids
                    FROM done GROUP BY 1, 2
                ) d
            ),
            (
                SELECT coalesce(json_agg(json_build_array(
                    (SELECT lane FROM held)[o.k], o.id, o.became, o.attempt, o.retry_s
                )), '[]')
                FROM other o WHERE o.became IS NOT NULL
            )
        ) END
    FROM fresh
    RETURNING no
)
SELECT ARRAY(SELECT k FROM closed UNION ALL SELECT k FROM bumped),
    CASE WHEN (SELECT coalesce(sum(n), 0) FROM n_done) + (SELECT count(*) FROM other)
        <> :n_jobs::int8
    THEN ARRAY(SELECT id FROM done UNION ALL SELECT id FROM other) END,
    (SELECT count(*) FROM me) > (SELECT count(*) FROM numbered),
    (SELECT hint FROM wanted)
