"""Values and JSON: what goes into a job's args and comes out of its result."""
