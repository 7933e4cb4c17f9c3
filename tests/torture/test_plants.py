"""Every bug can still be planted: a line that has moved takes its plant along."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.mutants import ROOT, plant, verdict
from tests.torture.plant import Plant
from tests.torture.plants import PLANTS


@pytest.mark.parametrize("bug", PLANTS, ids=lambda bug: bug.name)
def test_the_texts_to_replace_are_there_once(bug: Plant, tmp_path: Path) -> None:
    for file, _, _ in bug.patches:
        copy = tmp_path / "actorq" / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / "actorq" / file).read_bytes())
    plant(tmp_path, bug)
    for file, _, new in bug.patches:
        assert new in (tmp_path / "actorq" / file).read_text(encoding="utf-8")


def test_who_catches_a_bug_exists() -> None:
    for bug in PLANTS:
        file, _, test = bug.caught_by.partition("::")
        assert file == "torture" or (ROOT / file).exists()
        name, _, _ = test.partition("[")
        assert not test or f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_a_text_that_is_gone_or_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "actorq").mkdir()
    (tmp_path / "actorq" / "x.py").write_text("one two two")
    for old in ("three", "two"):
        with pytest.raises(LookupError, match="has the text"):
            plant(tmp_path, Plant("p", "torture", (("x.py", old, ""),)))


def test_only_a_judgement_counts_as_catching() -> None:
    assert verdict("tests/x.py", 0, "1 passed") == ""
    assert verdict("tests/x.py", 2, "FAILED nothing, the collection broke") == ""
    assert verdict("tests/x.py", 1, "FAILED tests/x.py::test_a") == "FAILED tests/x.py::test_a"
    assert verdict("tests/x.py", 1, "ERROR tests/x.py::test_a - its set-up broke") == ""
    assert verdict("torture", 1, "Traceback …") == ""
    report = (
        '{"lost": 2, "settled_twice": 0, "stale_applied": 0, "illegal_transitions": 0,'
        ' "unexplained_reruns": 0, "wrong_outcomes": 1, "miscounted": 0,'
        ' "untold": 0, "other": 0, "directory": "nowhere at all"}'
    )
    assert verdict("torture", 1, report) == "lost 2, wrong_outcomes 1"
