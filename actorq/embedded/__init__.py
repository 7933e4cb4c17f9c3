"""A private PostgreSQL server: found, started, shared and stopped by actorq itself.

For the demo, the tests, development and small installations. `start` brings up a server
on a data directory, or joins the one that runs there; the last process to let go of it
stops it. The data stays. The server listens on a Unix socket in a private directory and
nowhere else.

Who uses a server is known by file locks, which the kernel drops when a process dies in
whatever way: nothing has to be cleaned up after a crash, and nothing can go stale.
"""

from actorq.embedded.server import Server, default_home, remove, start

__all__ = ["Server", "default_home", "remove", "start"]
