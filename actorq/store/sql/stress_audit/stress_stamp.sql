-- Join every job of a step with when it was sent and run. Reads only, besides the session's table.
-- Parameters:
--   begun_us   int8  when the step began, in microseconds since 1970 by the server's clock
--   by_commit  bool  whether the instants of commits are kept (track_commit_timestamp)
-- An outcome counts from its commit where that is known, else from the begin of its statement.
-- Locks: none. Index: none; all of job is read.
INSERT INTO pg_temp.stress_stamp
SELECT j.id, j.kind, j.queue, j.state::text, j.attempt,
    j.state = 'completed' AND j.attempt = 1 AND j.n_lost = 0,
    a.g, a.n, a.fate, a.due_us, s.sent_us, s.answered_us,
    (extract(epoch FROM j.attempted_at) * 1000000)::int8 - :begun_us::int8,
    r.begun_us, r.ended_us,
    (extract(epoch FROM coalesce(c.committed_at, j.finalized_at)) * 1000000)::int8
        - :begun_us::int8,
    coalesce(r.n_ran, 0)
FROM {schema}.job j
CROSS JOIN LATERAL (
    SELECT (j.args ->> 'g')::int AS g, (j.args ->> 'n')::int8 AS n,
        coalesce(j.args ->> 'x', '') AS fate, (j.args ->> 't')::int8 AS due_us
) a
CROSS JOIN LATERAL (
    SELECT CASE WHEN :by_commit::bool AND j.finalized_at IS NOT NULL
        THEN pg_xact_commit_timestamp(j.xmin) END AS committed_at
) c
LEFT JOIN (
    SELECT s.g, s.first_n + k AS n, s.sent_us, s.answered_us
    FROM pg_temp.stress_sent s, generate_series(0, s.n_jobs - 1) k
) s ON s.g = a.g AND s.n = a.n
LEFT JOIN (
    SELECT id, min(b.begun_us) AS begun_us, max(b.ended_us) AS ended_us, count(*)::int AS n_ran
    FROM pg_temp.stress_ran b, unnest(b.jobs) id
    GROUP BY id
) r ON r.id = j.id;
