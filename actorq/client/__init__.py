"""Whatever sends jobs: clients, their options, and the handles of the jobs sent."""
