"""A private PostgreSQL server: found, started, shared and stopped by actorq itself.

It is meant for the demo, the tests, development and small installations. `start` starts a server
on a data directory, or joins the one that runs there; the last process to leave it stops it. The
data stays. The server listens on a Unix socket in a private directory and nowhere else.

File locks tell which processes use a server. The kernel releases them however a process dies, so
nothing has to be cleaned up after a crash, and nothing can become stale.
"""

from actorq.embedded.server import Server, default_home, remove, start

__all__ = ["Server", "default_home", "remove", "start"]
