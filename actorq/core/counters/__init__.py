"""Figures of what was done: histograms, and the counts of one minute."""
