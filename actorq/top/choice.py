"""What somebody has chosen to see, and what a key changes about it."""

from __future__ import annotations

import msgspec

SORTS = ("name", "due", "running", "done/s", "failed/s", "wait p99")
TABLES = {"1": "kinds", "2": "actors", "3": "quarantine", "4": "supervisors"}
LONGEST = 40

QUIT = "q"
ESCAPE, ENTER, BACKSPACE = "\x1b", "\r", "\x7f"

HELP = "q quit  s sort  r reverse  / filter  1-4 one table  0 all  m hour"


class Choice(msgspec.Struct, frozen=True):
    """How kinds are sorted, what names must contain, which table alone is shown, and over what.

    While `typing`, keys go into `text`.
    """

    sort: str = SORTS[0]
    reverse: bool = False
    text: str = ""
    typing: bool = False
    table: str = ""
    hour: bool = False

    def shows(self, *names: str) -> bool:
        """Tell whether something of these names passes the filter."""
        return any(self.text.lower() in name.lower() for name in names)


def pressed(choice: Choice, key: str) -> Choice:
    """Return what is chosen after a key; one that means nothing changes nothing."""
    if choice.typing:
        return _typed(choice, key)
    match key:
        case "s":
            place = (SORTS.index(choice.sort) + 1) % len(SORTS)
            return msgspec.structs.replace(choice, sort=SORTS[place])
        case "r":
            return msgspec.structs.replace(choice, reverse=not choice.reverse)
        case "m":
            return msgspec.structs.replace(choice, hour=not choice.hour)
        case "/":
            return msgspec.structs.replace(choice, typing=True)
        case "0":
            return msgspec.structs.replace(choice, table="")
        case _ if key in TABLES:
            return msgspec.structs.replace(choice, table=TABLES[key])
        case _ if key == ESCAPE:
            return msgspec.structs.replace(choice, text="", table="")
    return choice


def _typed(choice: Choice, key: str) -> Choice:
    if key in (ENTER, "\n"):
        return msgspec.structs.replace(choice, typing=False)
    if key == ESCAPE:
        return msgspec.structs.replace(choice, typing=False, text="")
    if key in (BACKSPACE, "\b"):
        return msgspec.structs.replace(choice, text=choice.text[:-1])
    if key.isprintable() and len(choice.text) < LONGEST:
        return msgspec.structs.replace(choice, text=choice.text + key)
    return choice


def keys(data: bytes) -> list[str]:
    """Return the keys in what a terminal sent at once; arrows and the like are left out."""
    if data[:1] == b"\x1b" and len(data) > 1:
        return []
    return list(data.decode("utf-8", errors="ignore"))
