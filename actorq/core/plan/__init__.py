"""The supervisor as a reducer, one concern per module."""
