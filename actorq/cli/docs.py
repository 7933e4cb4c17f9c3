"""The command `actorq docs`: the pages of the documentation, which are part of the package.

A page is a file below `actorq/docs`, and its topic is that file's name. On a terminal a page is
rendered by rich; into a pipe it goes as it is, for Markdown is what other programs read best.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from argparse import Namespace
from pathlib import Path

from actorq.cli import OK
from actorq.cli.output import print_json
from actorq.errors import ConfigError

DOCS = Path(__file__).parent.parent / "docs"
MAX_COLUMNS = 100
"""Longer lines of prose are tiring to read, however wide the terminal."""

ROOMS = {
    "": "using actorq",
    "reference": "looking things up",
    "operating": "operating it",
    "coming_from": "coming from another queue",
    "internals": "how it works, and how it is changed",
}
"""The folders of pages in the order of the list, each with its heading there."""

_COMMENT = re.compile(r"^<!--.*?-->\n", re.M | re.S)
_LINK = re.compile(r"\[([^\]]+)\]\((?:[\w./]*/)?(\w+)\.md(?:#[\w-]*)?\)", re.S)
_ANCHOR = re.compile(r"\[([^\]]+)\]\(#[\w-]*\)", re.S)
_PICTURE = re.compile(r"^!\[([^\]]+)\]\(([^)]+)\)$", re.M)


def show(args: Namespace) -> int:
    """Show the page of a topic, or list all topics."""
    if args.topic is None:
        _list(args.json)
        return OK
    text = _page(args.topic).read_text("utf-8")
    if args.json:
        print_json({"topic": args.topic, "title": title(text), "text": text})
    elif sys.stdout.isatty():
        _render(text)
    else:
        print(text, end="")
    return OK


def topics() -> dict[str, Path]:
    """Return the file of each topic, in the order in which they are listed."""
    order = {room: i for i, room in enumerate(ROOMS)}
    files = {path: _room(path) for path in DOCS.rglob("*.md")}
    known = [path for path, room in files.items() if room in order]
    return {path.stem: path for path in sorted(known, key=lambda p: (order[files[p]], p.stem))}


def title(text: str) -> str:
    """Return the title of a page."""
    return text.partition("\n")[0].removeprefix("# ")


def _room(path: Path) -> str:
    parent = path.relative_to(DOCS).parent.as_posix()
    return "" if parent == "." else parent


def _page(topic: str) -> Path:
    """Return the file of a topic; raises ConfigError, with those that look alike, for no topic."""
    known = topics()
    wanted = topic.lower().removesuffix(".md").rpartition("/")[2].replace("-", "_")
    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    near += [name for name in known if wanted and wanted in name and name not in near]
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    raise ConfigError(f"no page about {topic!r}: {guess}`actorq docs` lists all topics")


def _list(as_json: bool) -> None:
    pages = topics()
    titles = {topic: title(path.read_text("utf-8")) for topic, path in pages.items()}
    if as_json:
        for topic, of in titles.items():
            print_json({"topic": topic, "title": of, "room": _room(pages[topic])})
        return
    width = max(map(len, titles))
    for room, heading in ROOMS.items():
        print(f"{heading}:" if not room else f"\n{heading}:")
        for topic, path in pages.items():
            if _room(path) == room:
                print(f"  {topic.ljust(width)}  {titles[topic]}")
    print("\nactorq docs TOPIC shows a page.")


def _render(text: str) -> None:
    try:
        from rich.console import Console
        from rich.markdown import Markdown
    except ModuleNotFoundError:
        print(for_terminal(text), end="")
        print("\n(pip install 'actorq[cli]' shows pages in colour and tables as such.)")
        return
    console = Console(highlight=False)
    console.width = min(console.width, MAX_COLUMNS)
    console.print(Markdown(for_terminal(text), hyperlinks=False, code_theme="ansi_dark"))


def for_terminal(text: str) -> str:
    """Return a page without what only tests read, and with links as commands that can be typed."""
    text = _COMMENT.sub("", text)
    text = _PICTURE.sub(lambda m: f"Picture: {m[1]} (`{os.path.basename(m[2])}`).", text)
    text = _LINK.sub(lambda m: f"{_flat(m[1])} (`actorq docs {m[2]}`)", text)
    return _ANCHOR.sub(lambda m: f"“{_flat(m[1])}”", text)


def _flat(label: str) -> str:
    return " ".join(label.split())
