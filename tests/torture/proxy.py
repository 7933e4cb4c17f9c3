"""A TCP proxy before the server that breaks connections on demand, one door per client.

Orders come as JSON lines on stdin, each for one door and a while:
  {"door": 0, "do": "delay", "s": 0.1, "for": 2}      every piece waits
  {"door": 0, "do": "swallow", "for": 2}              nothing passes, nobody is told
  {"door": 0, "do": "slice", "for": 2}                pieces of one to seven bytes
  {"door": 0, "do": "reset", "n": 2}                  connections are reset
  {"door": 0, "do": "cut_before", "who": "settler"}   its next request never reaches the server
  {"door": 0, "do": "cut_after", "who": "settler"}    it does, and is answered; no answer comes
The first line on stdout is the list of the doors' ports; the last one, once stdin has ended,
how many requests were cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

PIECE = 65_536
SET_UP = 6  # requests until a connection does what it was made for
ANSWER_S = 5.0


@dataclass
class Door:
    """Hold what goes wrong at one door now."""

    delay_s: float = 0.0
    until: dict[str, float] = field(default_factory=dict)
    cuts: list[tuple[str, bytes]] = field(default_factory=list)  # what, and whose connection's
    n_cut: Counter[str] = field(default_factory=Counter)
    open: set[Connection] = field(default_factory=set)

    def order(self, order: dict[str, Any]) -> None:
        """Begin to do something wrong."""
        what = order["do"]
        if "for" in order:
            self.until[what] = time.monotonic() + order["for"]
            self.delay_s = order.get("s", self.delay_s)
        elif what == "reset":
            some = sorted(self.open, key=id)[: order["n"]]
            for connection in some:
                connection.reset()
        else:
            self.cuts.append((what, order["who"].encode()))

    def heal(self) -> None:
        """Do nothing wrong any more."""
        self.until.clear()
        self.cuts.clear()

    def does(self, what: str) -> bool:
        """Tell whether something lasts that was ordered for a while."""
        return time.monotonic() < self.until.get(what, 0.0)

    def cut(self, what: str, name: bytes) -> bool:
        """Use up one of the cuts that were ordered for connections of this name."""
        found = next(((w, who) for w, who in self.cuts if w == what and name.endswith(who)), None)
        if found is None:
            return False
        self.cuts.remove(found)
        self.n_cut[what] += 1
        return True


class Connection:
    """Carry one client's connection."""

    def __init__(self, door: Door, path: str) -> None:
        self._door, self._path = door, path
        self._client: asyncio.StreamWriter | None = None
        self._server: asyncio.StreamWriter | None = None
        self._dropping = False  # the answer to the last request is not to arrive

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until one side ends."""
        self._client = writer
        self._door.open.add(self)
        try:
            back, self._server = await asyncio.open_unix_connection(self._path)
            ways = [self._requests(reader), self._answers(back)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        except OSError:
            pass
        finally:
            self._door.open.discard(self)
            self.reset()

    def reset(self) -> None:
        """End both sides at once; the client sees a reset."""
        for writer in (self._client, self._server):
            if writer is None:
                continue
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader) -> None:
        name, n = b"", 0
        while data := await reader.read(PIECE):
            name = name or _application(data)
            n += 1
            if n > SET_UP and self._door.cut("cut_before", name):
                return
            if n > SET_UP and self._door.cut("cut_after", name):
                self._dropping = True
            assert self._server is not None
            await self._pass(data, self._server)
            if self._dropping:
                await asyncio.sleep(ANSWER_S)
                return

    async def _answers(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(PIECE):
            if self._dropping:
                return  # the server only answers once it has committed
            assert self._client is not None
            await self._pass(data, self._client)

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        door = self._door
        if door.does("delay"):
            await asyncio.sleep(door.delay_s)
        while door.does("swallow"):
            await asyncio.sleep(0.02)
        if door.does("slice") and len(data) < 20_000:
            rest = data
            while rest and not writer.is_closing():
                n = random.randrange(1, 8)
                writer.write(rest[:n])
                rest = rest[n:]
                await asyncio.sleep(0)
        else:
            writer.write(data)
        await writer.drain()


def _application(start: bytes) -> bytes:
    """Return the name that a client gives itself in its first message."""
    _, _, rest = start.partition(b"application_name\0")
    return rest.partition(b"\0")[0]


async def main(path: str, n_doors: int) -> None:
    """Open the doors, and do as told until stdin ends."""
    doors = [Door() for _ in range(n_doors)]
    servers = []
    for door in doors:

        async def enter(r: Any, w: Any, door: Door = door) -> None:
            with contextlib.suppress(asyncio.CancelledError):  # at the end: streams would log it
                await Connection(door, path).carry(r, w)

        servers.append(await asyncio.start_server(enter, "127.0.0.1", 0))
    print(json.dumps([s.sockets[0].getsockname()[1] for s in servers]), flush=True)
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        order = json.loads(line)
        if order["do"] == "heal":
            for door in doors:
                door.heal()
        else:
            doors[order["door"]].order(order)
    print(json.dumps(sum((door.n_cut for door in doors), Counter())), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], int(sys.argv[2])))
