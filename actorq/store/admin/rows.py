"""The rows of doctor's statements, of prune's and of status, with their columns' names."""

from __future__ import annotations

import msgspec


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Hold what admin_facts tells; the texts and ages that are None are of nothing."""

    version: int
    version_text: str
    encoding: str
    autovacuum: bool
    durable: bool
    oldest_snapshot_s: float | None
    oldest_prepared_s: float | None
    oldest_xid_age: int
    triggers_off: str | None
    n_triggers: int


class HiddenTable(msgspec.Struct, frozen=True):
    """Name a table of which this role does not see all rows."""

    name: str


class TableRows(msgspec.Struct, frozen=True):
    """Count a table's rows, as the server's statistics do, and its bytes."""

    name: str
    n_live: int
    n_dead: int
    bytes: int


class Reference(msgspec.Struct, frozen=True):
    """Describe a foreign key that refers to job; `keeps`: jobs that it names cannot go."""

    name: str
    from_table: str
    keeps: bool


class Orphans(msgspec.Struct, frozen=True):
    """Count the leases without a supervisor; `oldest_s` is None where there are none."""

    n_leases: int
    n_jobs: int
    oldest_s: float | None


class AstrayLease(msgspec.Struct, frozen=True):
    """Name a lease, its first job that is of another lane, and count those."""

    node: str
    n: int
    job: int
    n_jobs: int


class IdSequence(msgspec.Struct, frozen=True):
    """Say of a table whether its ids' sequence is behind; None: this role may not ask."""

    name: str
    behind: bool | None


class UnservedLane(msgspec.Struct, frozen=True):
    """Count the due jobs of a lane that nobody serves, at least so many if there are `more`."""

    queue: str
    kind: str
    n: int
    more: bool
    oldest_s: float


class Picked(msgspec.Struct, frozen=True, kw_only=True):
    """Hold what admin_prune_pick found in one stretch; times are in seconds since 1970."""

    last: int | None
    looked_s: float
    young: bool
    settled: bool
    ids: list[int]
    n_pending: int
    completed_s: float | None
    cancelled_s: float | None
    failed_s: float | None


class NodeStatus(msgspec.Struct, frozen=True):
    """A supervisor as the database knows it."""

    node: str
    host: str
    pid: int
    up_s: float
    beat_age_s: float
    ttl_s: float
    n_batches: int
    n_running: int

    @property
    def alive(self) -> bool:
        """Return whether its last sign of life is no older than its time to live."""
        return self.beat_age_s < self.ttl_s
