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
├─ WaitError              a job that was waited for is not there, or has no result
│  ├─ JobFailed           it has failed for good: cause, type, text and traceback
│  ├─ JobCancelled        it was cancelled
│  ├─ JobUnknown          there is no such job
│  ├─ WaitTimeout         it is not final yet; also a TimeoutError
│  └─ WaitEnded           the app was closed meanwhile
├─ ProtocolError          a frame from the other end of a pipe is malformed
├─ EmbeddedError          no private PostgreSQL server could be found or started
└─ InternalError          a bug in actorq: the message names the broken invariant
"""

from collections.abc import Sequence
from typing import Any


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


class WaitError(ActorqError):
    """A job that was waited for and is not there, or has no result; `ids` are those jobs."""

    def __init__(self, text: str, ids: Sequence[int] = ()) -> None:
        super().__init__(text)
        self.ids = tuple(ids)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.ids)


class JobFailed(WaitError):
    """A job that has failed for good, and why, as its last failure tells.

    The traceback of the actor is a text; as `__cause__` it is shown wherever this error is.
    """

    def __init__(
        self,
        id: int,
        kind: str = "",
        attempt: int = 0,
        cause: str = "",
        type: str = "",
        message: str = "",
        traceback: str = "",
    ) -> None:
        self.id, self.kind, self.attempt = id, kind, attempt
        self.cause, self.type, self.message, self.traceback = cause, type, message, traceback
        super().__init__(self._text(), [id])
        if traceback:
            self.__cause__ = RemoteTraceback(traceback)

    def __reduce__(self) -> tuple[Any, ...]:
        said = (self.cause, self.type, self.message, self.traceback)
        return type(self), (self.id, self.kind, self.attempt, *said)

    def _text(self) -> str:
        of_kind = f" of kind {self.kind!r}" if self.kind else ""
        if not self.cause:
            return (
                f"job {self.id}{of_kind} has failed; this role may not read why: "
                "GRANT SELECT ON the table failure TO it"
            )
        why = f"{self.type}: {self.message}" if self.type else self.message
        return f"job {self.id}{of_kind} has failed at attempt {self.attempt} ({self.cause}): {why}"


class RemoteTraceback(Exception):
    """The traceback of an actor, as text: the cause of a JobFailed."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0].rstrip()}\n"""'


class JobCancelled(WaitError):
    """A job that was cancelled; the message has the reason if its handler gave one."""


class JobUnknown(WaitError):
    """A job that there is not: pruned, not committed, or of another schema or database."""


class WaitTimeout(WaitError, TimeoutError):
    """Jobs that are not final after the time-out; they go on, and can be waited for again.

    If the database could not be asked, the error of the last try is the `__cause__`.
    """


class WaitEnded(WaitError):
    """A wait that was ended because its app was closed; the jobs go on."""


class ProtocolError(ActorqError):
    """A frame that broke the protocol; the peer is at fault."""


class EmbeddedError(ActorqError):
    """A private PostgreSQL server that could not be found or started."""


class InternalError(ActorqError):
    """An invariant that actorq itself broke; the message names it."""
