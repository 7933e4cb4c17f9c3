-- Wait, up to lock_timeout, until nobody else holds the job $1.
SELECT FROM {schema}.job WHERE id = $1 FOR NO KEY UPDATE
