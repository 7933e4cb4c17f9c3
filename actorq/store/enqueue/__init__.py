"""What is sent to enqueue jobs."""
