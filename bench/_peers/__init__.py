"""Other job queues, each driven with its own recommended settings; run in their own environment."""
