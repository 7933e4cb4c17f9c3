-- Write the outcomes of any number of batches, in one statement.
-- $1 node, $2 settle_no, odd or even for each of a node's two settlers; $3/$4 leases that end
-- (n, seq); $5/$6/$7 leases that go on (n, seq, open);
-- {rows}: completions, one row for the jobs of a batch that had the same attempt: (k, attempt,
-- ids, results or NULL); $8 to $19: all other outcomes, one element each per job; $20: how many
-- jobs all these are. Results are one text, a record separator (1E) between them and a unit
-- separator (1F) for none, neither of which JSON can hold: an array would be parsed character by
-- character.
-- Returns: the leases (k) that matched, and the jobs that were written, NULL if that were all.
-- k counts this statement's leases from 1: those that end first, then those that go on.
-- What runs again goes into its own lane.
-- Locks: node (KEY SHARE), lease, job (of a batch by id), in this order: reading `held` in every
-- later step is what makes the earlier ones come first.
-- Index: node_pkey, settled_pkey, lease_pkey, job_pkey, lane_queue_kind_key, result_pkey.
-- No step joins rows with another step's: the planner might do that by brute force, so what an
-- insert needs is carried through.
-- No counter can overflow, whatever was inserted: it would keep all outcomes from being written.
WITH me AS MATERIALIZED (
    -- Keeps the node from being declared dead meanwhile, but not from beating.
    SELECT id FROM {schema}.node WHERE id = $1::uuid FOR KEY SHARE
), numbered AS (
    INSERT INTO {schema}.settled (node, no) SELECT id, $2::int8 FROM me
    ON CONFLICT (node, no) DO NOTHING
), outdated AS (
    DELETE FROM {schema}.settled WHERE node = $1::uuid AND no = $2::int8 - 2
), closed AS MATERIALIZED (
    DELETE FROM {schema}.lease l
    USING unnest($3::int8[], $4::int4[]) WITH ORDINALITY v (n, seq, k)
    WHERE l.node = $1::uuid AND l.n = v.n AND l.seq = v.seq AND (SELECT count(*) FROM me) = 1
    RETURNING v.k, l.lane, l.claimed_at
), bumped AS MATERIALIZED (
    UPDATE {schema}.lease l SET seq = l.seq + 1, open = v.open
    FROM unnest($5::int8[], $6::int4[], $7::bytea[]) WITH ORDINALITY v (n, seq, open, k)
    WHERE l.node = $1::uuid AND l.n = v.n AND l.seq = v.seq AND (SELECT count(*) FROM me) = 1
    RETURNING v.k + cardinality($3::int8[]) AS k, l.lane, l.claimed_at
), held AS MATERIALIZED (
    SELECT array_agg(lane ORDER BY k) AS lane, array_agg(at ORDER BY k) AS at
    FROM (
        SELECT k, max(lane) AS lane, max(at) AS at
        FROM (
            SELECT k, lane, claimed_at FROM closed
            UNION ALL SELECT k, lane, claimed_at FROM bumped
            UNION ALL SELECT k, 0, NULL
            FROM generate_series(1, cardinality($3::int8[]) + cardinality($5::int8[])) k
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
    RETURNING j.id
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
            $8::int8[], $9::int4[], $10::int4[], $11::text[], $12::int2[], $13::float8[],
            $14::int4[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[]
        ) v (
            id, k, attempt, state, charge, retry_s,
            suspect, result, cause, type, message, traceback
        )
        ORDER BY v.id
    ) v
    WHERE j.id = v.id AND j.attempt = v.attempt AND j.state = 'pending'
      AND (SELECT lane FROM held)[v.k] > 0
    RETURNING j.id, j.state, j.attempt, j.run_at, j.priority, j.queue, j.kind, v.suspect, v.result,
        v.cause, v.type, v.message, v.traceback
), again AS (
    INSERT INTO {schema}.ready (id, run_at, lane, suspect, priority, again)
    SELECT o.id, o.run_at, coalesce(
            (SELECT a.id FROM {schema}.lane a WHERE a.queue = o.queue AND a.kind = o.kind),
            {schema}.made_lane(o.queue, o.kind)
        ), o.suspect, o.priority, o.attempt > 0
    FROM other o WHERE o.state = 'pending'
), results AS (
    INSERT INTO {schema}.result (job, value)
    -- IS TRUE: or the planner would make a join of it.
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
)
SELECT ARRAY(SELECT k FROM closed UNION ALL SELECT k FROM bumped),
    CASE WHEN (SELECT count(*) FROM done) + (SELECT count(*) FROM other) <> $20::int8
    THEN ARRAY(SELECT id FROM done UNION ALL SELECT id FROM other) END
