-- Last step of a cancel: tell the supervisors that hold the jobs $1. Returns those it told of.
SELECT u.id, pg_notify(
    'actorq_' || to_regnamespace('{schema}')::oid, concat_ws(' ', 'cancel', l.node, l.n, u.id)
)
FROM {schema}.lease l, unnest(l.jobs) WITH ORDINALITY u (id, k)
WHERE u.id = ANY ($1::int8[]) AND (l.open IS NULL OR get_bit(l.open, u.k - 1) = 1)
