-- Ids of dead letters, newest first, by way of their last failure. Parameters as in
-- admin_ids_stored; $3 is not looked at.
SELECT j.id
FROM {schema}.failure f
JOIN {schema}.job j ON j.id = f.job
WHERE f.final AND f.job < $1::int8 AND j.state = 'failed' AND ($3::text IS NOT NULL)
  AND ($4::text IS NULL OR j.kind = $4::text)
  AND ($5::text IS NULL OR j.queue = $5::text)
ORDER BY f.job DESC
LIMIT $2::int8;
