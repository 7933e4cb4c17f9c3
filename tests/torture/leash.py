"""End this process when the one that started it is gone, however that ended."""

from __future__ import annotations

import os
import threading
import time


def hold() -> None:
    """Watch the parent from now on."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="leash", daemon=True).start()
