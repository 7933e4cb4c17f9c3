-- Read the state of one job. $1 id.
SELECT state FROM {schema}.jobs WHERE id = $1
