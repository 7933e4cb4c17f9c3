"""The terminal while it shows a live view: keys one by one, another screen, and back again."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from types import FrameType

from rich.console import Console
from rich.text import Text

from actorq.top.choice import keys
from actorq.top.table import Line

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[0m\x1b[?25h\x1b[?1049l"
"""The other screen without a cursor; and the first one again, with it."""

HOME, TO_LINE_END, TO_SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"

STYLES = {"heading": "reverse", "dim": "dim", "bold": "bold", "red": "bold red", "yellow": "yellow"}

LEAVING = (signal.SIGTERM, signal.SIGHUP)
READ_BYTES = 1024


class ViewOver(Exception):
    """The end of the view: a signal says so, or the terminal is gone."""


class Terminal:
    """A terminal that shows frames and gives keys."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=False, legacy_windows=False)
        self._wake, self._woken = os.pipe()
        self._stdin = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._is_over = False

    @property
    def size(self) -> tuple[int, int]:
        """Return the present width and height."""
        found = os.get_terminal_size(sys.stdout.fileno())
        return found.columns or 80, found.lines or 24

    def show(self, frame: Sequence[Line]) -> None:
        """Show a frame in place of the last one."""
        with self._console.capture() as captured:
            for place, line in enumerate(frame):
                text = Text(line.text, style=STYLES.get(line.style, ""), end="")
                self._console.print(text, end="", no_wrap=True, overflow="crop", crop=False)
                end = "\r\n" if place + 1 < len(frame) else ""
                self._console.out(f"{TO_LINE_END}{end}", end="", highlight=False)
        self._write(f"{HOME}{captured.get()}{TO_SCREEN_END}")

    def wait(self, seconds: float, *others: int) -> list[str]:
        """Wait for keys, a new size or one of these descriptors; return the keys.

        Raises ViewOver if it is over.
        """
        watched = [self._wake, *others, *([] if self._stdin is None else [self._stdin])]
        ready, _, _ = select.select(watched, [], [], max(0.0, seconds))
        if self._wake in ready:
            os.read(self._wake, READ_BYTES)
        if self._is_over:
            raise ViewOver
        if self._stdin is None or self._stdin not in ready:
            return []
        data = os.read(self._stdin, READ_BYTES)
        if not data:
            self._stdin = None
        return keys(data)

    @contextlib.contextmanager
    def taken(self) -> Iterator[Terminal]:
        """Take the terminal, and give it back as it was, whatever happens."""
        with self._signals(), self._raw():
            self._write(ENTER)
            try:
                yield self
            finally:
                with contextlib.suppress(OSError, ViewOver):  # it may be gone
                    self._write(LEAVE)

    def _write(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:
            raise ViewOver from None

    @contextlib.contextmanager
    def _raw(self) -> Iterator[None]:
        """Have keys come at once and unseen. Ctrl-C still interrupts; Ctrl-Z would leave a mess."""
        if self._stdin is None:
            yield
            return
        before = termios.tcgetattr(self._stdin)
        tty.setcbreak(self._stdin)
        now = termios.tcgetattr(self._stdin)
        now[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(self._stdin, termios.TCSANOW, now)
        fd = self._stdin
        try:
            yield
        finally:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(fd, termios.TCSAFLUSH, before)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Wake up for a new size of the terminal, and leave in order when told to."""
        os.set_blocking(self._woken, False)
        wakeup = signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        before = {sig: signal.signal(sig, self._leave) for sig in LEAVING}
        before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda *_: None)
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
            signal.set_wakeup_fd(wakeup)

    def _leave(self, sig: int, stack: FrameType | None) -> None:
        self._is_over = True
