"""What a job is and becomes."""
