-- Read a lease of one's own with the jobs that are still open under it. $1 node, $2 lease.
SELECT l.lane, l.suspect, l.seq, l.open IS NOT NULL, l.jobs,
    array_agg(j.id ORDER BY u.k) FILTER (WHERE j.id IS NOT NULL),
    array_agg(octet_length(j.args) ORDER BY u.k) FILTER (WHERE j.id IS NOT NULL),
    string_agg(j.args, ',' ORDER BY u.k),
    string_agg(j.note, ';' ORDER BY u.k)
FROM {schema}.lease l
CROSS JOIN LATERAL unnest(l.jobs) WITH ORDINALITY u (id, k)
LEFT JOIN LATERAL (
    SELECT j.id, j.args::text AS args,
        CASE WHEN j.attempt <> 0 OR j.max_attempts IS NOT NULL OR j.n_lost <> 0
            OR j.n_crashed <> 0 OR j.n_failed <> 0
        THEN concat_ws(',', j.id, j.attempt, j.n_failed, j.n_crashed, j.n_lost,
            coalesce(j.max_attempts, 0)) END AS note
    FROM {schema}.job j
    WHERE j.id = u.id AND j.state = 'pending'
      AND (l.open IS NULL OR get_bit(l.open, u.k - 1) = 1)
    OFFSET 0
) j ON true
WHERE l.node = $1::uuid AND l.n = $2::int8
GROUP BY l.node, l.n
