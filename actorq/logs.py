"""Logging: loggers that remain audible whatever a program does, and records as JSON."""

from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime
from typing import Any

CONTEXT = ("actorq_kind", "actorq_batch", "actorq_job", "actorq_attempt")
"""The attributes that every record made in an actor has, None where one does not apply."""

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime", "taskName", "actorq_line", "actorq_event", *CONTEXT)
}
"""The attributes of a record that are no fields of the user's."""

MAX_FIELDS, MAX_VALUE, MAX_DEPTH = 32, 1000, 3
"""Bounds of what a record can have besides its text: fields, characters of a value, nesting."""


def logger(name: str) -> logging.Logger:
    """Return a logger that is not disabled.

    Unless told otherwise, `logging.config.dictConfig` and `fileConfig` disable every existing
    logger that their configuration does not name. Ours would fall silent when a module of
    handlers is imported. Levels and filters still suppress what nobody wants to see.
    """
    found = logging.getLogger(name)
    found.disabled = False
    return found


class JsonLines(logging.Formatter):
    """A formatter that makes one line of JSON of each record, as `actorq run --log-format json`.

    For programs that set up logging themselves. It takes no format. The fields are `ts`, `level`,
    `logger`, `message`; `kind`, `batch`, `job` and `attempt` where they are known; `exc` if there
    is a traceback; those of the event that the record tells of; and what was given as `extra`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a JSON object in ASCII, without a line end in it."""
        fields = self._head(record) | _context(record)
        event = getattr(record, "actorq_event", None)
        if event is not None:
            _add_event(fields, event)
        exc = self._exc(record)
        if exc:
            fields["exc"] = exc
        line = getattr(record, "actorq_line", None)
        for name, value in (*extra_of(record).items(), *(line.extra.items() if line else ())):
            _add(fields, name, value)
        return json.dumps(fields)

    def _head(self, record: logging.LogRecord) -> dict[str, Any]:
        line = getattr(record, "actorq_line", None)
        created = record.created if line is None or line.created is None else line.created
        return {
            "ts": _moment(created),
            "level": record.levelname,
            "logger": (line.logger if line is not None else "") or record.name,
            "message": record.getMessage() if line is None else line.message,
        }

    def _exc(self, record: logging.LogRecord) -> str:
        line = getattr(record, "actorq_line", None)
        return str(line.exc) if line is not None else traceback_of(record, self)


def traceback_of(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    """Return a record's traceback and stack, if it has any."""
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was given to a record as `extra`, as bounded values that JSON has."""
    given = [item for item in vars(record).items() if item[0] not in _OWN]
    return {_text(name): _plain(value) for name, value in given[:MAX_FIELDS]}


def _context(record: logging.LogRecord) -> dict[str, Any]:
    found = {name.removeprefix("actorq_"): getattr(record, name, None) for name in CONTEXT}
    return {name: value for name, value in found.items() if value is not None}


def _add_event(fields: dict[str, Any], event: Any) -> None:
    """Add an event's own fields, and the names under which records of handlers have the same.

    So `job` and `batch` find everything about a job, whoever has logged it.
    """
    own = event.fields()
    fields["event"] = event.name
    if "traceback" in own:
        fields["exc"] = own.pop("traceback")
        fields["message"] = fields["message"].partition("\n")[0]
    for name, value in own.items():
        _add(fields, name, _plain(value))
    for name, known in (("job", "id"), ("batch", "lease")):
        if known in own:
            fields.setdefault(name, own[known])


def _add(fields: dict[str, Any], name: str, value: Any) -> None:
    """Add a field; one whose name is taken gets a _ behind it, so that neither is lost."""
    if name in fields and fields[name] == value:
        return
    while name in fields:
        name += "_"
    fields[name] = value


def _moment(created: float) -> str:
    moment = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _plain(value: object, depth: int = 0) -> Any:
    """Return a value as JSON has it; what JSON has not, or not so deep or long, as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 1 << 63:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, dict) and depth < MAX_DEPTH:
        names = list(value)[:MAX_FIELDS]
        return {_text(name): _plain(value[name], depth + 1) for name in names}
    if isinstance(value, list | tuple) and depth < MAX_DEPTH:
        return [_plain(one, depth + 1) for one in value[:MAX_FIELDS]]
    return _text(value)


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception as error:  # a log line must not fail because of what it is about
        text = f"({type(value).__name__}, whose text cannot be read: {type(error).__name__})"
    text = text.encode("utf-8", "backslashreplace").decode()  # no JSON has a lone surrogate
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 3]}..."
