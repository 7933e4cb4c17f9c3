"""The statements that enqueue jobs."""
