"""Stress tests: how much a database and its supervisors bear, measured so that it can be believed.

`core` decides and computes, `process` is what runs beside this process, `measure` asks the database
and the machine, `report` draws. `run` puts them together.
"""
