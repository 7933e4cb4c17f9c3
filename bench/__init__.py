"""Benchmarks: one scenario per file; files with a leading underscore are shared."""
