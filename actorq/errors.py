"""Every error a user can meet, in one tree.

ActorqError
├─ ConfigError            a setting or declaration is wrong; nothing was started
├─ EnqueueError           nothing was enqueued
│  ├─ UnknownKind         the kind was never declared on this app
│  ├─ ArgsInvalid         the args do not fit the kind's type, or cannot be stored
│  └─ ArgsTooLarge        the args exceed the size or depth limit
├─ StoreError             the database said no
│  ├─ StoreUnavailable    it cannot be reached, or the connection is gone: try again
│  ├─ SchemaMismatch      its schema is missing, too old or too new: migrate
│  └─ RowRefused          it refuses a value: the statement can never succeed as sent
├─ ProtocolError          a frame from the other end of a pipe is not what was agreed
├─ EmbeddedError          the private PostgreSQL server cannot be had or started
└─ InternalError          a bug in actorq: the message names the broken invariant
"""


class ActorqError(Exception):
    """Be the parent of every error that actorq raises on purpose."""


class ConfigError(ActorqError):
    """Say which setting or declaration is wrong and what would be right."""


class EnqueueError(ActorqError):
    """Say why a job was not enqueued; of many, `item` is the number of the one, from 0."""

    item: int | None = None
    reason: str = ""  # without the item's number


class UnknownKind(EnqueueError):
    """Say that a kind was never declared on this app."""


class ArgsInvalid(EnqueueError):
    """Say how the args do not fit the kind's type or cannot be stored."""


class ArgsTooLarge(EnqueueError):
    """Say which limit the args exceed and by how much."""


class StoreError(ActorqError):
    """Say what the database refused."""


class StoreUnavailable(StoreError):
    """Say that the database cannot be reached or the connection was lost."""


class SchemaMismatch(StoreError):
    """Say that the schema is missing, too old or too new, and how to migrate it."""


class RowRefused(StoreError):
    """Say that the database refuses a value, so that sending it again cannot help."""


class ProtocolError(ActorqError):
    """Say what in a frame broke the protocol; the peer is at fault."""


class EmbeddedError(ActorqError):
    """Say why no private PostgreSQL server could be found or started."""


class InternalError(ActorqError):
    """Name the invariant that actorq itself broke."""
