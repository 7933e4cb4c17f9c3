"""The statements of an administrator."""
