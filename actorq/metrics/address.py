"""Where to listen: HOST:PORT as it is typed."""

from __future__ import annotations

from actorq.errors import ConfigError

LOOPBACK = "127.0.0.1"


def address(option: str, text: str) -> tuple[str, int]:
    """Return the host and port of HOST:PORT, :PORT or PORT; loopback unless a host is given.

    An IPv6 address stands in brackets. Port 0 stands for any free one.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or int(port) > 65_535 or (":" in host and not text.startswith("[")):
        raise ConfigError(
            f"{option} {text[:80]}: give HOST:PORT, or a port alone for this machine only; "
            "an IPv6 address in brackets, as in [::1]:9711"
        )
    return (host if colon and host else LOOPBACK), int(port)
