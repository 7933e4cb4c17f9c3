"""Administration from asyncio: the same names, awaited.

The synchronous call runs in a thread. If the call is cancelled, so is its statement. What was done
in chunks before stays done, and the connection is closed when `await` returns.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from actorq.admin.admin import Admin, Location
from actorq.store.session.interrupt import INTERRUPT, Interrupt

P = ParamSpec("P")
T = TypeVar("T")

HEARD = ("found", "progress")
"""Arguments that are functions; they are called in the event loop, not in the thread."""


def _awaited(
    method: Callable[Concatenate[Admin, P], T],
) -> Callable[Concatenate[AsyncAdmin, P], Coroutine[Any, Any, T]]:
    """Return a method that runs one of Admin's methods in a thread."""

    @functools.wraps(method)
    async def call(self: AsyncAdmin, *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        for name in HEARD:
            if (heard := kwargs.get(name)) is not None:
                kwargs[name] = functools.partial(_in_loop, loop, heard)
        return await _in_thread(functools.partial(method, self.admin, *args, **kwargs))

    return cast("Callable[Concatenate[AsyncAdmin, P], Coroutine[Any, Any, T]]", call)


class AsyncAdmin:
    """The administration of an app's jobs without blocking the event loop.

    The methods and arguments are those of Admin. A call that is cancelled ends at its present
    statement; if it is made again, it does the rest.
    """

    def __init__(self, location: Location) -> None:
        self.admin = Admin(location)

    status = _awaited(Admin.status)
    jobs = _awaited(Admin.jobs)
    job = _awaited(Admin.job)
    retry = _awaited(Admin.retry)
    cancel = _awaited(Admin.cancel)
    prune = _awaited(Admin.prune)
    doctor = _awaited(Admin.doctor)
    migrate = _awaited(Admin.migrate)
    migration_plan = _awaited(Admin.migration_plan)

    def migration_sql(self) -> str:
        """Return the SQL that makes the schema in a fresh database; connects to no database."""
        return self.admin.migration_sql()


async def _in_thread(call: Callable[[], T]) -> T:
    """Run a call in a thread; if this is cancelled, end the call and wait until it has ended."""
    interrupt, context = Interrupt(), copy_context()
    context.run(INTERRUPT.set, interrupt)
    loop = asyncio.get_running_loop()
    # A future, not a task: `asyncio.run` cancels tasks at its end, and this has to be waited for.
    running = loop.run_in_executor(None, context.run, interrupt.around, call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        interrupt.ask()
        while not running.done():
            with suppress(asyncio.CancelledError):  # the same call was cancelled again
                await asyncio.wait([running])
        running.exception()  # mark its error as seen: the caller hears that the call was cancelled
        raise


def _in_loop(loop: asyncio.AbstractEventLoop, heard: Any, value: object) -> None:
    """Call a function in the loop, from a thread, and wait for its end; it may raise."""
    done: Future[None] = Future()

    def hear() -> None:
        try:
            heard(value)
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    loop.call_soon_threadsafe(hear)
    done.result()
