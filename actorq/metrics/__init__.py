"""What Prometheus scrapes: of one supervisor, or of a database. Needs the extra `metrics`."""
