"""The texts are what stands in the source: docstrings and comments, nothing else, in order."""

from __future__ import annotations

from pathlib import Path

from actorq.demo.corpus import Text, texts, texts_of

SOURCE = '''\
#!/usr/bin/env python3
"""Say what this is."""

# One block
#
# of comments.
    # Another, at another place.
x = 1  # not alone on its line
y = """
# not a comment
"""
z = f"""
# neither {x}
"""


class C:
    """Be a class."""

    async def f(self):
        """Do.

        In detail.
        """
        ##### Loud. #####
'''


def test_docstrings_and_comment_blocks_are_found_by_line() -> None:
    assert texts_of(SOURCE) == [
        (1, "!/usr/bin/env python3"),
        (2, "Say what this is."),
        (4, "One block\n\nof comments."),
        (7, "Another, at another place."),
        (18, "Be a class."),
        (21, "Do.\n\nIn detail."),
        (25, "Loud."),
    ]


def test_short_broken_and_unstorable_texts_are_left_out(tmp_path: Path) -> None:
    long = "a text that is long enough to be worth a job"
    files = {
        "a.py": f'"""{long}"""\n# short\n',
        "b.py": "def broken(:\n",
        "c.py": f'"""{long} \\x00"""\n',
        "d.py": f'"""{long} \\ud800"""\n',
        "e/f.py": f"# {long}, in a package\n",
        "e/g.py": '"""' + "x" * 10_000 + '"""\n',
        "h.py": b"# -*- coding: no-such -*-\n",
        "i.py": f'# -*- coding: latin-1 -*-\n"""{long}: é"""\n'.encode("latin-1"),
        "test/j.py": f'"""{long}, in a test"""\n',
        "k.txt": f"# {long}\n",
    }
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(source if isinstance(source, bytes) else str(source).encode())
    assert texts(root=tmp_path) == [
        Text("a.py:1", long),
        Text("i.py:2", f"{long}: é"),
        Text("e/f.py:1", f"{long}, in a package"),
        Text("e/g.py:1", "x" * 4000),
    ]


def test_the_standard_library_has_thousands_always_the_same() -> None:
    assert texts(limit=2000) == texts(limit=2000)
    assert len(texts(limit=2000)) == 2000
