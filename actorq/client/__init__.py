"""Whoever sends jobs: clients, their options, and the handles of what was sent."""
