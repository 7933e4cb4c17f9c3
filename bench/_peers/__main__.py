"""Do one step with one peer: python -m bench._peers PEER STEP DSN [options]; prints JSON."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import time
from pathlib import Path
from typing import Any

from bench._model import inputs

START_S = 120.0


def payloads(kind: str, n: int) -> list[dict[str, Any]]:
    """Return the args of n jobs."""
    if kind == "model":
        return [{"x": x} for x in inputs(n)]
    return [{"n": k, "s": "x" * 80} for k in range(n)]


async def fill(peer: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Enqueue in bulk."""
    items = payloads(options.kind, options.jobs)
    async with peer.client(options.dsn) as client:
        begun = time.monotonic()
        await client.many(options.kind, items)
        return {"jobs_per_s": len(items) / (time.monotonic() - begun)}


async def pace(peer: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Enqueue one by one at a rate, as soon as a worker has handled the first one."""
    committed = {}
    async with peer.client(options.dsn) as client:
        await client.one("stamp", {"n": -1})
        await _handled_one()
        begun = time.monotonic()
        for n in range(options.jobs):
            await asyncio.sleep(max(0.0, begun + n / options.rate - time.monotonic()))
            await client.one("stamp", {"n": n})
            committed[n] = time.monotonic()
    return {"committed": committed}


async def _handled_one() -> None:
    end = time.monotonic() + START_S
    while not list(Path(os.environ["BENCH_OUT"]).glob("stamp-*")):
        if time.monotonic() > end:
            raise SystemExit("no worker handled a job")
        await asyncio.sleep(0.05)


def main() -> None:
    """Do the step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("step", choices=["setup", "fill", "work", "pace"])
    parser.add_argument("dsn")
    parser.add_argument("--kind", default="noop")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--rate", type=float, default=100.0)
    options = parser.parse_args()
    peer = importlib.import_module(f"bench._peers.{options.peer}")
    said: dict[str, Any] = {}
    if options.step in ("fill", "pace"):
        step = fill if options.step == "fill" else pace
        said = asyncio.run(step(peer, options))
    else:
        getattr(peer, options.step)(options.dsn)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
