"""The child process: it loads one kind's handler, runs batches and reports outcomes.

Nothing in here imports a database driver.
"""
