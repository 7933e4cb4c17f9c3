"""The statements of administration."""
