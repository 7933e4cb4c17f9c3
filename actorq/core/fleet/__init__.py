"""What a supervisor has under way: its actors and the batches that it holds."""
