"""Run the demo: python -m actorq.demo."""

from __future__ import annotations

import argparse
import sys

from actorq.demo.run import run
from actorq.errors import ActorqError


def main() -> int:
    """Read the options and run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Run thousands of real jobs through the queue."
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object as the last line")
    parser.add_argument("--jobs", type=int, help="take at most so many texts")
    args = parser.parse_args()
    try:
        return run(args.json, args.jobs)
    except ActorqError as error:
        print(f"actorq: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
