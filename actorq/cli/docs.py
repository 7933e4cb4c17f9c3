"""The command `actorq docs`: the pages of the documentation, which are part of the package.

A page is a file below `actorq/docs`, and its topic is the name of that file. On a terminal a page
is rendered by rich. Into a pipe it is written unchanged, because other programs read Markdown best.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import sys
import textwrap
from argparse import Namespace
from pathlib import Path

from actorq.cli.output import print_json
from actorq.core.exit_codes import OK
from actorq.errors import ConfigError

DOCS = Path(__file__).parent.parent / "docs"
MAX_COLUMNS = 100
"""The width of prose on wide terminals: longer lines are tiring to read."""

ROOMS = {
    "": (
        "using actorq",
        *("start", "words", "handlers", "batches", "outcomes", "enqueueing", "values", "results"),
        *("failures", "testing", "performance", "operations"),
    ),
    "operating": (
        "operating it",
        *("running", "logging", "following", "metrics", "top", "stress", "processes", "database"),
        "administration",
    ),
    "reference": ("looking things up", "settings", "commands", "events", "python"),
    "coming_from": (
        "coming from another queue",
        *("celery", "rq", "procrastinate", "river", "oban"),
    ),
    "internals": (
        "how it works, and how it is changed",
        *("architecture", "data_model", "claim", "settle", "states", "invariants", "contributing"),
    ),
}
"""The folders of pages: for each its heading in the list, and its topics in reading order."""

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
    return {
        topic: DOCS / room / f"{topic}.md" for room, (_, *names) in ROOMS.items() for topic in names
    }


def title(text: str) -> str:
    """Return the title of a page."""
    return text.partition("\n")[0].removeprefix("# ")


def about(text: str) -> str:
    """Return the first sentence of a page below its title, which says what the page is about."""
    sentence = _LINK.sub(r"\1", text.split("\n\n")[1]).replace("`", "")
    return re.split(r"(?<=[.:;])\s", _flat(sentence))[0].rstrip(".:;")


def _page(topic: str) -> Path:
    """Return the file of a topic; for an unknown one, raises ConfigError that suggests others."""
    known = topics()
    wanted = topic.lower().removesuffix(".md").rpartition("/")[2].replace("-", "_")
    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    near += [name for name in known if wanted and wanted in name and name not in near]
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    raise ConfigError(f"no page about {topic!r}: {guess}`actorq docs` lists all topics")


def _list(as_json: bool) -> None:
    texts = {topic: path.read_text("utf-8") for topic, path in topics().items()}
    if as_json:
        for topic, text in texts.items():
            print_json({"topic": topic, "title": title(text), "about": about(text)})
        return
    columns, indent = max(map(len, texts)) + 2, " " * 2
    width = min(shutil.get_terminal_size().columns, MAX_COLUMNS)
    for heading, *names in ROOMS.values():
        print(f"{heading}:")
        for topic in names:
            first = f"{indent}{topic.ljust(columns)}"
            print(textwrap.fill(about(texts[topic]), width, initial_indent=first,
                                subsequent_indent=" " * len(first)))  # fmt: skip
        print()
    print("actorq docs TOPIC shows a page.")


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
