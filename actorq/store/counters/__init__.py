"""Counting what was done: changes folded into minutes, and figures read from both."""
