"""What Prometheus reads, in its own text: the health of the sessions, what the gate has answered, and the fleet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from coatcheck.errors import Unavailable
from coatcheck.serve.fleet_metrics import fleet_lines
from coatcheck.serve.responding import document, respond

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck._async.fleet_numbers import AsyncFleetNumbers
    from coatcheck.asgi.types import Receive, Scope, Send
    from coatcheck.core.health import Health
    from coatcheck.serve.counts import Counts
    from coatcheck.web.async_authority import Authority

_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_GAUGES: Final = frozenset({"entries", "max_entries", "connections", "idle"})


class Metrics:
    """Answers with the numbers of one process, which the label `process` names; a plain ASGI application.

    Each scrape reaches one of several workers, so sum them over `process`. What is named "fleet" any of them can say of
    all. Nothing in here is a secret, and nothing is for the public either.
    """

    def __init__(self, sessions: Authority, counts: Counts, numbers: AsyncFleetNumbers | None = None) -> None:
        """Keep whom to ask; without `numbers` there is nothing about the fleet."""
        self._sessions = sessions
        self._counts = counts
        self._numbers = numbers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI calls it so
        """Serve one request."""
        text = exposition(await self._sessions.health(), self._counts, os.getpid()) + await self._of_the_fleet()
        await respond(scope, send, document(_TYPE, b"no-store", text.encode("ascii")))

    async def _of_the_fleet(self) -> str:
        if self._numbers is None:
            return ""
        try:
            reading = await self._numbers.read()
        except Unavailable:
            return ""  # a scrape without these numbers says so itself, and the others count all the more
        return "".join(f"{line}\n" for line in fleet_lines(reading))


def exposition(health: Health, counts: Counts, process: int) -> str:
    """Return the numbers of a process as text."""
    return "".join(f"{line}\n" for line in _lines(health, counts, f'process="{process}"'))


def _lines(health: Health, counts: Counts, label: str) -> Iterator[str]:
    yield "# HELP coatcheck_gate_answers_total How the gate has answered."
    yield "# TYPE coatcheck_gate_answers_total counter"
    for answer, count in counts.answers().items():
        yield f'coatcheck_gate_answers_total{{{label},answer="{answer}"}} {count}'
    yield "# HELP coatcheck_ready Whether requests can be served."
    yield "# TYPE coatcheck_ready gauge"
    yield f"coatcheck_ready{{{label}}} {int(health.ready)}"
    yield "# HELP coatcheck_part_ok Whether a part is as it should be."
    yield "# TYPE coatcheck_part_ok gauge"
    for part in health.parts:
        yield f'coatcheck_part_ok{{{label},part="{part.name}"}} {int(part.status == "ok")}'
    for part in health.parts:
        for name, value in part.numbers.items():
            metric = _named(part.name, name)
            yield f"# TYPE {metric} {'counter' if metric.endswith('_total') else 'gauge'}"
            yield f"{metric}{{{label}}} {value:g}"


def _named(part: str, name: str) -> str:
    counted = name not in _GAUGES and not name.endswith("_seconds")
    return f"coatcheck_{part}_{name}{'_total' if counted else ''}"
