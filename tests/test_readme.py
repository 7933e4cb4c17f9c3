"""Run every block of the README and of the pages in actorq/docs, as a reader would.

A section has a database and a directory of its own. Python blocks that begin with the name of a
file become that file, for this section and all later ones of its page; other Python blocks are
run. In console blocks the lines after `$` are run by bash, and what stands below a command must
be in its output, where … stands for anything. SQL blocks are executed, blocks of text are pictures
and examples of output. A page that says `<!-- with the files of start.md -->` has the files of that
page, too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from tests.support.shell import ROOT

README = "README.md"
DOCS = "actorq/docs/"
PAGES = [README, *sorted(str(p.relative_to(ROOT)) for p in (ROOT / DOCS).rglob("*.md"))]
TEXTS = {page: (ROOT / page).read_text("utf-8") for page in PAGES}
BORROWED = re.compile(r"^<!-- with the files of (\w+\.md) -->$", re.M)
NOT_RUN = "<!-- not run here"
EMPTY = "<!-- begins with an empty database -->"
FILE = re.compile(r"# (\w+\.py)\n")
DEADLINE_S = 50
TEXT_COLUMNS = 76  # of 80, less what stands around a block


class Block(NamedTuple):
    """Hold one fenced block and the line before it."""

    language: str
    body: str
    before: str

    @property
    def file(self) -> str | None:
        """Return the name of the file that a Python block is."""
        named = FILE.match(self.body) if self.language == "python" else None
        return named.group(1) if named else None


def sections(page: str) -> dict[str, str]:
    """Return a page's sections by heading."""
    parts = re.split(r"^## (.+)$", TEXTS[page], flags=re.M)
    return dict(zip(["", *parts[1::2]], parts[::2], strict=True))


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a section."""
    found = re.finditer(r"(?:^([^\n]*)\n)?^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [Block(m.group(2), m.group(3), (m.group(1) or "")) for m in found]


SECTIONS = {
    (page, name): blocks(text)
    for page in PAGES
    for name, text in sections(page).items()
    if blocks(text)
}


def files_until(page: str, section: str) -> dict[str, str]:
    """Return the files made by all blocks of a page up to the end of a section."""
    files: dict[str, str] = {}
    for lender in BORROWED.findall(TEXTS[page]):
        files |= all_files(f"{DOCS}{lender}")
    for where, found in SECTIONS.items():
        if where[0] == page:
            files |= {block.file: block.body for block in found if block.file}
        if where == (page, section):
            return files
    raise KeyError(section)


def all_files(page: str) -> dict[str, str]:
    """Return the files made by all blocks of a page."""
    found = [block for where, of in SECTIONS.items() if where[0] == page for block in of]
    return {block.file: block.body for block in found if block.file}


@pytest.mark.timeout(240)  # a section can start a dozen processes
@pytest.mark.parametrize(("page", "section"), SECTIONS)
def test_every_block_of_the_section_works(
    page: str, section: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    empty = EMPTY in sections(page)[section]
    dsn: str = request.getfixturevalue("empty_dsn" if empty else "dsn")  # one is dear enough
    for name, body in files_until(page, section).items():
        (tmp_path / name).write_text(body, "utf-8")
    for block in SECTIONS[page, section]:
        if block.before.startswith(NOT_RUN):
            for command, _ in commands(block.body):
                program, *arguments = command.split()
                assert os.access(ROOT / program, os.X_OK)
                if program == "scripts/bench":
                    assert (ROOT / "bench" / f"{arguments[0]}.py").exists()
        else:
            run(block, dsn, tmp_path)


def run(block: Block, dsn: str, directory: Path) -> None:
    if block.language == "console":
        for command, expected in commands(block.body):
            check(shell(command, dsn, directory), expected)
    elif block.language == "sql":
        with psycopg.connect(dsn) as conn:
            conn.execute(block.body.encode())
    elif block.language == "text":
        wide = [line for line in block.body.splitlines() if len(line) > TEXT_COLUMNS]
        assert block.body.strip()
        assert not wide, "a terminal of 80 columns would wrap this"
    elif block.file:
        compile(block.body, block.file, "exec")
    else:
        assert block.language == "python", f"no way to run a block of {block.language!r}"
        (directory / "block.py").write_text(block.body, "utf-8")
        shell("python block.py", dsn, directory)


def commands(body: str) -> list[tuple[str, list[str]]]:
    """Split a console block into commands, each with the lines shown below it."""
    parts = re.split(r"^\$ (.+)\n", body, flags=re.M)
    assert parts[0] == "", "a console block begins with a command"
    return [(parts[i], parts[i + 1].splitlines()) for i in range(1, len(parts), 2)]


def shell(command: str, dsn: str, directory: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "ACTORQ_DSN": dsn, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=directory,
        env=env,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def check(output: str, expected: list[str]) -> None:
    """Find the shown lines in the output, in order."""
    rest = output.splitlines()
    for shown in (line for line in expected if line.strip() != "…"):
        pattern = re.compile(re.sub(r"\s+", r"\\s+", re.escape(shown).replace(r"\ ", " ")
                                    .replace("…", ".*")))  # fmt: skip
        while rest and not pattern.fullmatch(rest[0].strip()):
            rest.pop(0)
        assert rest, f"not in the output: {shown}\n{output}"
        rest.pop(0)


def test_the_readme_is_read_in_one_sitting() -> None:
    assert TEXTS[README].count("\n") <= 150


LINK = re.compile(r"\]\(([^)\s]+)\)")
NO_PROSE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.M | re.S)


def links(page: str) -> list[str]:
    """Return where the links of a page lead."""
    return LINK.findall(NO_PROSE.sub("", TEXTS[page]))


def anchors(text: str) -> set[str]:
    """Return what the headings of a page can be linked by."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_has_no_link_that_is_dead_where_it_is_read_alone() -> None:
    assert [link for link in links(README) if not link.startswith(("https://", "#"))] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_every_file_that_is_named_is_there() -> None:
    named = {
        (page, path)
        for page, text in TEXTS.items()
        for path in re.findall(r"`((?:actorq|bench|scripts|tests)/[\w./-]+)`", text)
    }
    assert named
    assert [each for each in named if not (ROOT / each[1]).exists()] == []


def test_every_topic_that_is_named_has_a_page_and_the_readme_names_all() -> None:
    from actorq.cli.docs import topics

    there = set(topics())
    listed = TEXTS[README].split("| `actorq docs …` |")[1].split("\n\n")[0]
    rows = [row.split("|")[1] for row in listed.splitlines()[2:]]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == there
    named = {t for text in TEXTS.values() for t in re.findall(r"`actorq docs (\w+)`", text)}
    assert named - {"TOPIC"} <= there
    paths = {str(path.relative_to(ROOT)) for path in topics().values()}
    assert paths == set(PAGES) - {README}, "each page is listed in actorq/cli/docs.py"


def table(name: str) -> dict[str, str]:
    """Return the settings and defaults of the table marked with a name."""
    page = TEXTS[f"{DOCS}reference/settings.md"]
    text = page.split(f"<!-- settings: {name} -->\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()[2:]]
    return {row[1].strip("`"): row[2] for row in rows}


def as_text(value: object) -> str:
    if value is None or value in ({}, ()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else f"{value}".removesuffix(".0")


def test_every_setting_of_a_kind_is_listed_with_its_default() -> None:
    from actorq.core.job.policy import KindPolicy

    policy = KindPolicy(name="x")
    listed = table("kind")
    settings = set(KindPolicy.__struct_fields__) - {"name", "queue", "linger_s"} | {"linger_ms"}
    assert set(listed) == settings
    for name in settings - {"retry", "linger_ms", "weight"}:
        assert listed[name] == as_text(getattr(policy, name)), name
    assert float(listed["weight"]) == policy.weight
    assert float(listed["linger_ms"]) == policy.linger_s * 1000


def test_every_setting_of_an_app_is_listed_with_its_default() -> None:
    from inspect import signature

    from actorq import App

    there = {name: as_text(p.default) for name, p in signature(App).parameters.items()}
    assert table("app") == there


def test_every_number_of_a_supervisor_is_listed() -> None:
    from dataclasses import MISSING, fields

    from actorq.supervisor.options import RunOptions

    listed = table("run")
    options = {f.name: f.default for f in fields(RunOptions)}
    assert set(listed) == set(options) - {"dsn", "schema", "drain", "kinds", "queues"}
    for name, default in options.items():
        if name in listed and default not in (MISSING, ()):
            assert listed[name] == as_text(default), name


def test_every_reason_to_cut_a_batch_is_listed() -> None:
    from typing import get_args

    from actorq.core.job.model import Cut

    text = TEXTS[f"{DOCS}batches.md"].split("| `batch.cut` |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", text)) >= set(get_args(Cut))


def test_every_command_is_listed() -> None:
    from actorq.cli.parser import build

    usage = build().format_help()
    page = TEXTS[f"{DOCS}reference/commands.md"]
    listed = set(re.findall(r"^\| `actorq (\w+)", page, re.M))
    there = set(re.findall(r"^    (\w+) {2,}", usage, re.M)) - {"COMMAND"}
    assert listed == there


def test_what_pages_say_of_the_code_is_what_the_code_says() -> None:
    from tests.support import pages

    stale = [str(path.relative_to(ROOT)) for path, _ in pages.stale()]
    assert stale == [], "scripts/docs writes these pages anew"


def test_a_picture_of_batches_names_inputs_and_effects_that_there_are() -> None:
    from actorq.core.plan import batches, effects, inputs

    table = (batches.__doc__ or "").split("\n\n")[1]
    named = set(re.findall(r"\b(?:[A-Z][a-z]+)+\b", table))
    assert named
    assert [
        name for name in named if not hasattr(inputs, name) and not hasattr(effects, name)
    ] == []
