"""Every error that a user can meet, in one tree.

ActorqError
├─ ConfigError            a setting or declaration is wrong; nothing was started
├─ EnqueueError           nothing was enqueued
│  ├─ UnknownKind         the kind was never declared on this app
│  ├─ ArgsInvalid         the args do not fit the kind's type, or cannot be stored
│  └─ ArgsTooLarge        the args exceed the size or depth limit
├─ StoreError             the database refused a statement
│  ├─ StoreUnavailable    it cannot be reached, or the connection was lost: try again
│  ├─ SchemaMismatch      its schema is missing, too old or too new: migrate
│  └─ RowRefused          it refuses a value: the statement can never succeed as sent
├─ ProtocolError          a frame from the other end of a pipe is malformed
├─ EmbeddedError          no private PostgreSQL server could be found or started
└─ InternalError          a bug in actorq: the message names the broken invariant
"""


class ActorqError(Exception):
    """The base class of every error that actorq raises on purpose."""


class ConfigError(ActorqError):
    """A wrong setting or declaration; the message says what would be right."""


class EnqueueError(ActorqError):
    """A job that was not enqueued, and why; of many, `item` is its number, from 0."""

    item: int | None = None
    reason: str = ""  # without the item's number


class UnknownKind(EnqueueError):
    """A kind that was never declared on this app."""


class ArgsInvalid(EnqueueError):
    """Args that do not fit the kind's type or cannot be stored."""


class ArgsTooLarge(EnqueueError):
    """Args that exceed a limit; the message says which, and by how much."""


class StoreError(ActorqError):
    """A refusal by the database."""


class StoreUnavailable(StoreError):
    """A database that cannot be reached, or a connection that was lost."""


class SchemaMismatch(StoreError):
    """A schema that is missing, too old or too new; the message says how to migrate it."""


class RowRefused(StoreError):
    """A value that the database refuses, so that sending it again cannot help."""


class ProtocolError(ActorqError):
    """A frame that broke the protocol; the peer is at fault."""


class EmbeddedError(ActorqError):
    """A private PostgreSQL server that could not be found or started."""


class InternalError(ActorqError):
    """An invariant that actorq itself broke; the message names it."""
