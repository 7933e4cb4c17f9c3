"""Migrations that were released stay as they are: databases have been made by them."""

from __future__ import annotations

import hashlib

from actorq.store.schema.numbered import Migration, migrations

FROZEN = {
    "0001_initial": "9af19fa6132d2fb97bcc7a024417477c4d5f30ddc2d1a4834edb970359f03a98",
    "0002_changes": "60c94cbc3facadc0c2efba3cbbc7158750266e4ef60f84a14aafa457289f99ee",
}
"""The SHA-256 of each migration's files: a new migration gets its line with its release."""

INSTEAD = (
    "the migration {} is frozen: it has been run in databases that no edit of it will ever reach. "
    "Undo the edit, and write what is to change as the next number: a folder "
    "actorq/store/schema/migrations/NNNN_name with a file for each step, whose header says phase, "
    "transaction and locks as actorq/store/schema/numbered.py explains. Then add it here: {!r}"
)


def checksum(migration: Migration) -> str:
    """Return one number for the names and texts of all files."""
    parts = [part for step in migration.steps for part in (step.name, step.text)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def test_a_released_migration_is_never_edited() -> None:
    for migration in migrations():
        found = checksum(migration)
        assert FROZEN.get(migration.name) == found, INSTEAD.format(migration.name, found)
    assert set(FROZEN) == {migration.name for migration in migrations()}
