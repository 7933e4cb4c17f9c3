-- Store the figures of some minutes, lanes and sources, in place of those that are there.
-- Parameters:
--   at           timestamptz[]  the minutes
--   lanes        int4[]         the lane of each
--   sources      text[]         the source of each
--   n_completed  int8[]         how many jobs were completed
--   n_failed     int8[]         how many failed for good
--   n_retried    int8[]         how many attempts failed, after which the job runs again
--   n_snoozed    int8[]         how many were put off, uncharged
--   n_cancelled  int8[]         how many were cancelled
--   n_batches    int8[]         how many batches ended
--   waited       text[]         histogram of how long jobs had been due when they were claimed
--   ran          text[]         histogram of how long the batch of each job ran
--   sizes        text[]         {jobs of a batch: number of batches}
--   cuts         text[]         {why a batch had no more jobs: number of batches}
-- Locks: minute. Index: minute_pkey.
INSERT INTO {schema}.minute (at, lane, source, n_completed, n_failed, n_retried, n_snoozed,
    n_cancelled, n_batches, waited, ran, sizes, cuts)
SELECT v.at, v.lane, v.source::uuid, v.n_completed, v.n_failed, v.n_retried, v.n_snoozed,
    v.n_cancelled, v.n_batches, v.waited::json, v.ran::json, v.sizes::json, v.cuts::json
FROM unnest(
    :at::timestamptz[], :lanes::int4[], :sources::text[], :n_completed::int8[], :n_failed::int8[],
    :n_retried::int8[], :n_snoozed::int8[], :n_cancelled::int8[], :n_batches::int8[],
    :waited::text[], :ran::text[], :sizes::text[], :cuts::text[]
) v (
    at, lane, source, n_completed, n_failed, n_retried, n_snoozed, n_cancelled, n_batches,
    waited, ran, sizes, cuts
)
ON CONFLICT (at, lane, source) DO UPDATE
SET n_completed = excluded.n_completed, n_failed = excluded.n_failed,
    n_retried = excluded.n_retried, n_snoozed = excluded.n_snoozed,
    n_cancelled = excluded.n_cancelled, n_batches = excluded.n_batches,
    waited = excluded.waited, ran = excluded.ran, sizes = excluded.sizes, cuts = excluded.cuts
