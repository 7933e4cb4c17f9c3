"""Actors as processes on this machine."""
