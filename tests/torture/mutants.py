"""Plant bugs into copies of the package, one by one, and see that each is caught.

A test that cannot fail proves nothing: only when every plant is caught does *0 lost* mean
something. First all the catchers run on a copy without a plant, where they have to pass.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.torture.plant import Plant
from tests.torture.plants import PLANTS

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("actorq", "tests", "pyproject.toml", "README.md", "scripts", "bench")
SEEDS = (1, 2, 3)
"""A plant that shows only where faults meet may need more than one run."""

LIMIT_S = 600
AT_ONCE = 2
"""How many plants that a test catches are tried at once; the torture has the machine to itself."""

_running: set[subprocess.Popen[str]] = set()


@dataclass(frozen=True)
class Caught:
    """Say who caught a plant, and how; or that nobody did."""

    plant: str
    by: str
    how: str
    took_s: float

    @property
    def ok(self) -> bool:
        """Tell whether it was caught."""
        return bool(self.by)


def copied(directory: Path) -> Path:
    """Copy what the catchers need."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, directory / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, directory / name)
    return directory


def plant(directory: Path, bug: Plant) -> None:
    """Replace the texts; each of them must be there exactly once."""
    for file, old, new in bug.patches:
        path = directory / "actorq" / file
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            found = text.count(old)
            raise LookupError(f"{bug.name}: {file} has the text {found} times: {old!r}")
        path.write_text(text.replace(old, new), encoding="utf-8")


def run(directory: Path, catchers: list[str], seed: int) -> tuple[int, str]:
    """Run the torture, or tests, on a copy; returns its exit code and the end of what it said."""
    env = {**os.environ, "PYTHONPATH": str(directory), "TORTURE_ROOT": str(directory)}
    if catchers == ["torture"]:
        what = ["-m", "tests.torture.runner", "--tier", "T0", "--seed", str(seed), "--json"]
    else:
        spread = ["-n", str(AT_ONCE)] if len(catchers) > 1 else []
        options = ["-q", "-x", "-p", "no:cacheprovider", "--no-header", *spread]
        what = ["-m", "pytest", *options, *catchers]
    process = subprocess.Popen(
        [sys.executable, *what], cwd=directory, env=env, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    _running.add(process)
    try:
        said, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        said, _ = process.communicate()
        return 1, "it hung\n" + said
    except BaseException:
        process.terminate()
        process.communicate()
        raise
    finally:
        _running.discard(process)
    return process.returncode, said


def leave(*_: object) -> None:
    """End what runs, so that it can clean up, and leave."""
    for process in list(_running):
        process.terminate()
    sys.exit(143)


def verdict(catcher: str, code: int, said: str) -> str:
    """Return how the bug was noticed; empty if it was not.

    Only a judgement counts: a harness or a test that could not even start has noticed nothing.
    """
    if code != 1:
        return ""
    lines = said.strip().splitlines()
    if catcher != "torture":
        failed = [line for line in lines if line.startswith("FAILED")]
        return failed[0][:160] if failed else ""
    try:
        report = json.loads(lines[-1])
    except (ValueError, IndexError):
        return ""
    shutil.rmtree(report.get("directory", ""), ignore_errors=True)
    names = ("lost", "settled_twice", "stale_applied", "illegal_transitions", "unexplained_reruns",
             "wrong_outcomes", "miscounted", "untold", "other")  # fmt: skip
    return ", ".join(f"{name} {report[name]}" for name in names if report[name])


def hunt(bug: Plant) -> Caught:
    """Plant one bug and see who notices."""
    begun = time.monotonic()
    for seed in SEEDS if bug.caught_by == "torture" else (1,):
        with tempfile.TemporaryDirectory(prefix="actorq-plant-") as place:
            directory = copied(Path(place))
            plant(directory, bug)
            how = verdict(bug.caught_by, *run(directory, [bug.caught_by], seed))
        if how:
            return Caught(bug.name, bug.caught_by, how, time.monotonic() - begun)
    return Caught(bug.name, "", "", time.monotonic() - begun)


def hunts(bugs: Iterable[Plant]) -> Iterator[Caught]:
    """Hunt for bugs: first, some at once, for those that tests catch."""
    by_test: list[Plant] = []
    by_torture: list[Plant] = []
    for bug in bugs:
        (by_torture if bug.caught_by == "torture" else by_test).append(bug)
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield from pool.map(hunt, by_test)
    finally:
        pool.shutdown(cancel_futures=True)
    yield from map(hunt, by_torture)


def sound(catchers: list[str]) -> list[str]:
    """Run the catchers where nothing is planted; returns what fails nevertheless."""
    tests = sorted(set(catchers) - {"torture"})
    runs = [tests] * bool(tests) + [["torture"]] * ("torture" in catchers)
    failed = []
    with tempfile.TemporaryDirectory(prefix="actorq-plant-") as place:
        directory = copied(Path(place))
        for together in runs:
            code, said = run(directory, together, 1)
            if code:
                failed.append(f"{' '.join(together)}: {said[-2000:]}")
    return failed


def main() -> int:
    """Hunt for all plants, or those named; report who caught which."""
    parser = argparse.ArgumentParser(prog="scripts/torture --mutants", description=__doc__)
    parser.add_argument("--mutants", nargs="*", metavar="NAME", help="all, unless named")
    parser.add_argument("--json", action="store_true", help="the last line is the verdict")
    parser.add_argument("--no-baseline", action="store_true", help="trust the catchers")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, leave)
    chosen = [p for p in PLANTS if not args.mutants or p.name in args.mutants]
    unsound = [] if args.no_baseline else sound([p.caught_by for p in chosen])
    for text in unsound:
        print(f"FAILS WITHOUT A PLANT: {text}", file=sys.stderr)
    found = []
    for caught in hunts(chosen):
        found.append(caught)
        word = f"caught by {caught.by} ({caught.how})" if caught.ok else "NOT CAUGHT"
        print(f"{caught.plant}: {word}, {caught.took_s:.0f} s", flush=True)
    missed = [caught.plant for caught in found if not caught.ok]
    summary = {
        "mutants": len(found),
        "caught": len(found) - len(missed),
        "missed": missed,
        "by": {c.plant: {"by": c.by, "how": c.how} for c in found if c.ok},
        "unsound": [text.split(":", 1)[0] for text in unsound],
        "ok": bool(found) and not missed and not unsound,
    }
    print(json.dumps(summary) if args.json else json.dumps(summary, indent=2))
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
