"""Make text from elsewhere safe to show: one line, no control characters.

Everything that prints or logs a string written by the database, a handler or a user calls this.
"""

from __future__ import annotations

import re

# C0, DEL, C1, line separators, and the marks that reorder or hide text on a terminal.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_BEYOND_ASCII = re.compile("[^\x20-\x7e]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str, max_chars: int | None = None) -> str:
    """Return `text` as one printable line, cut to `max_chars` with an ellipsis."""
    if max_chars is not None and len(text) > max_chars:
        text = text[: max_chars - 3] + "..."
    return _UNSAFE.sub(_escaped, text)


def ascii_json(text: str) -> str:
    """Return JSON text as one line of ASCII with the same meaning.

    Outside of strings JSON is pure ASCII, and inside of them raw control characters are not
    allowed; so line ends can become blanks and everything else can become an escape.
    """
    return _BEYOND_ASCII.sub(_json_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    return _NAMED.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _json_escaped(match: re.Match[str]) -> str:
    char = match.group()
    if char in "\t\n\r":
        return " "
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
