"""Take the picture of `actorq top` under load that stands in its page: `scripts/capture`."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

from actorq import embedded
from actorq.store.schema.migrate import migrate
from tests.support.running import Supervisors
from tests.support.screen import screened
from tests.support.server import own_server

PAGE = Path(__file__).resolve().parents[2] / "actorq" / "docs" / "operating" / "top.md"
MADE = re.compile(r"(<!-- made by scripts/capture -->\n).*?(<!-- end -->\n)", re.S)
LOAD_S = 70.0
"""Until the rates of a whole minute are known."""

HANDLERS = """
    import os
    import time
    import actorq

    app = actorq.App()

    @app.actor("embed", max_batch=200, actors=2)
    def embed(batch: actorq.Batch[int]):
        time.sleep(0.1 + 0.001 * len(batch))  # as a model does: t = a + b·n
        return [None] * len(batch)

    @app.actor("thumbnail", max_batch=10, linger_ms=50, min_batch=5)
    def thumbnail(n: int) -> None:
        time.sleep(0.01)

    @app.actor("import", max_batch=50, max_attempts=2, retry=5)
    def import_(batch: actorq.Batch[int]):
        time.sleep(0.3)
        if any(n % 997 == 0 for n in batch.args):
            os.abort()  # and nobody knows which job it was
        if any(n % 251 == 0 for n in batch.args):
            raise ValueError("an odd file")
        return [None] * len(batch)
"""
LOAD = """
    import time
    from handlers import embed, import_, thumbnail

    embed.enqueue_many(range(300_000))
    import_.enqueue_many(range(1, 9_000))
    thumbnail.enqueue_many(range(500), delay_s=3600)
    end = time.time() + {load_s}
    while time.time() < end:
        thumbnail.enqueue_many(range(8))
        time.sleep(0.2)
"""


def main() -> int:
    """Write the picture into the page; returns the exit code."""
    text = "\n".join(f"    {line}".rstrip() for line in _capture().splitlines())
    page = PAGE.read_text("utf-8")
    PAGE.write_text(MADE.sub(lambda made: f"{made[1]}\n{text}\n\n{made[2]}", page), "utf-8")
    print(text)
    return 0


def _capture() -> str:
    with own_server() as server, tempfile.TemporaryDirectory() as directory:
        migrate(server.dsn)
        supervisors = Supervisors(Path(directory), server.dsn)
        supervisors.write(HANDLERS)
        supervisors.start()
        try:
            supervisors.python(LOAD.format(load_s=LOAD_S / 2))
            with screened("top", env=supervisors.env) as top:
                end = time.monotonic() + LOAD_S / 2
                while time.monotonic() < end:
                    top.read(0.2)
                return top.text
        finally:
            supervisors.close()
            embedded.remove(server.home)


if __name__ == "__main__":
    sys.exit(main())
