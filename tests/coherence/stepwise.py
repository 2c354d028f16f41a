"""An event loop that goes on one step at a time: what is waited for comes when it is told to.

Whoever waits for the world outside makes an `Errand`. The loop runs until nobody can go on by themselves; then one
errand is chosen, and it runs on. So every order in which answers can arrive can be tried, with the real coroutines.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from contextvars import Context


class _NoFiles:
    """Waits for nothing: there are neither files nor sockets."""

    def select(self, _: float | None) -> list[Any]:
        return []


class StepLoop(asyncio.BaseEventLoop):
    """An event loop whose time stands still while it runs.

    Attributes:
        moment: The time, in seconds.
        failures: What was raised and would have been lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self._selector = _NoFiles()
        self.moment = 0.0
        self.failures: list[BaseException] = []
        self._begun: list[asyncio.Task[Any]] = []
        self.set_exception_handler(lambda _, context: self.failures.append(_error_in(context)))

    def time(self) -> float:
        return self.moment

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: there are none."""

    def _write_to_self(self) -> None:
        """Do nothing: nobody sleeps."""

    def settle(self) -> None:
        """Run until nobody can go on."""
        own: Any = self
        events._set_running_loop(self)
        try:
            while own._ready or self._is_due():
                own._run_once()
        finally:
            events._set_running_loop(None)

    def _is_due(self) -> bool:
        own: Any = self
        while own._scheduled and own._scheduled[0]._cancelled:
            return True  # the loop itself throws it away
        return bool(own._scheduled) and own._scheduled[0]._when <= self.moment

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, context=context)
        self._begun.append(task)
        return task

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return what is under way."""
        self._begun = [task for task in self._begun if not task.done()]
        return self._begun

    def end(self) -> None:
        """Cancel whatever is under way."""
        while tasks := self.tasks():
            for task in tasks:
                task.cancel()
            self.settle()
        self.close()


def _error_in(context: dict[str, Any]) -> BaseException:
    error: BaseException = context.get("exception") or RuntimeError(context["message"])
    return error


class Way(NamedTuple):
    """One way in which an errand can go on; without a fault, unless it says so."""

    name: str
    go: Callable[[], None]
    fault: bool = False


class Errand:
    """Something that somebody waits for.

    Attributes:
        who: The number of the worker that waits.
        name: What it is.
        ways: Returns how it can go on now.
        state: What matters of it, for comparing.
        task: Who waits.
    """

    def __init__(self, who: int, name: str, loop: StepLoop) -> None:
        self.who = who
        self.name = name
        self.state: Hashable = None
        self.ways: Callable[[], list[Way]] = list
        self.task = asyncio.current_task(loop)
        self._future: asyncio.Future[Any] = loop.create_future()

    @property
    def pending(self) -> bool:
        """Whether somebody still waits."""
        return not self._future.done()

    def answer(self, result: Any) -> None:
        """Let whoever waits go on with this."""
        self._future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Let whoever waits go on with an error."""
        self._future.set_exception(error)

    def __await__(self) -> Any:
        return self._future.__await__()


def position(task: asyncio.Task[Any], known: Callable[[object], Hashable]) -> Hashable:
    """Return where a task stands: the same for two tasks that will do the same from now on.

    Args:
        task: The task.
        known: Returns what matters of a local variable's value; None for nothing.
    """
    places: list[Hashable] = []
    work: Any = task.get_coro()
    while (frame := getattr(work, "cr_frame", None)) is not None:
        places.append((frame.f_code.co_name, frame.f_lasti))
        if "/asyncio/" not in frame.f_code.co_filename:
            places.extend((name, known(value)) for name, value in sorted(frame.f_locals.items()) if name != "pause")
        work = getattr(work, "cr_await", None)
    return tuple(places)
