"""What the gate adds to a request through nginx: `auth_request` beside none, with wrk, in interleaved rounds."""

from __future__ import annotations

import asyncio
import os
import random
import re
from contextlib import ExitStack
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.report import Report
from benchmarks.scale import scaled
from coatcheck import Sessions
from tests.serve.proxied import COOKIE, KEY, NGINX, printed
from tests.serve.test_tokens import key_file
from tests.servers.gate import ServedGate
from tests.servers.nginx import Nginx
from tests.servers.processes import children

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROUNDS = 7
_SECONDS = 2
_CONNECTIONS = 16

# The application is another nginx, so that what is measured is not the application.
_APPLICATION = "server { listen 127.0.0.1:{port}; location / { return 200 hello; } }"
_WITHOUT = """
upstream application { server 127.0.0.1:%d; keepalive 16; }
server { listen 127.0.0.1:{port}; location / { proxy_set_header Host $http_host; proxy_pass http://application; } }
"""
NONE, GRANIAN, UVICORN, TOKENS = "nginx alone", "gate on granian", "gate on uvicorn", "gate on granian, with tokens"


class Case(NamedTuple):
    """Where a request goes, and the processes that work for it."""

    address: str
    cookie: str
    nginx: Nginx
    gate: ServedGate | None = None


class Run(NamedTuple):
    """What wrk says of one run, and the processor's time that each request took, in microseconds."""

    rate: float
    p50: float
    p99: float
    nginx: float
    gate: float


async def run() -> list[Report]:
    """Measure the same request through nginx, with and without the gate; skipped where a program is missing."""
    lacking = [name for name in ("wrk", "nginx") if which(name) is None and which(name, path="/usr/sbin") is None]
    if lacking:
        return [Report("The gate", ("case",), notes=[f"{' and '.join(lacking)} is not installed."])]
    with ExitStack() as stack:
        cases = _cases(stack)
        found: dict[str, list[Run]] = {name: [] for name in cases}
        shuffled = random.Random(1)  # noqa: S311 - an order, not a secret
        for number in range(scaled(_ROUNDS, least=1) + 1):
            for name in shuffled.sample([*cases], len(cases)):
                measured = await _measured(cases[name])
                if number:  # the first warms up
                    found[name].append(measured)
    return [_report(found)]


def _cases(stack: ExitStack) -> Mapping[str, Case]:
    """Start everything."""
    application = stack.enter_context(Nginx(_APPLICATION))
    alone = stack.enter_context(Nginx(_WITHOUT % application.port))
    cases = {NONE: Case(alone.address, "", alone)}
    for name, server in ((GRANIAN, "granian"), (UVICORN, "uvicorn"), (TOKENS, "granian")):
        gate = ServedGate({"KEYS": KEY}, server=server)
        if name == TOKENS:
            keys = {"SERVE_TOKEN_KEYS": key_file(gate.folder, "key")}
            named = {"SERVE_TOKEN_ISSUER": "https://gate", "SERVE_TOKEN_AUDIENCE": "shop"}
            gate.change({**keys, **named})
        stack.enter_context(gate)
        site = printed("nginx", gate, application.port, NGINX)
        nginx = stack.enter_context(Nginx(site))
        with Sessions(gate.store, keys=[KEY]) as sessions:
            cases[name] = Case(nginx.address, f"{COOKIE}={sessions.create('ada').token.reveal()}", nginx, gate)
    return cases


async def _measured(case: Case) -> Run:
    before = _spent(case.nginx), _spent(case.gate)
    text = await _wrk(case)
    rate, count = re.search(r"Requests/sec: +([0-9.]+)", text), re.search(r"([0-9]+) requests in", text)
    if rate is None or count is None:
        raise RuntimeError(f"wrk has said nothing: {text}")
    each = 1e6 / int(count[1])
    spent = (_spent(case.nginx) - before[0]) * each, (_spent(case.gate) - before[1]) * each
    return Run(float(rate[1]), _milliseconds(text, "50%"), _milliseconds(text, "99%"), *spent)


def _spent(server: Nginx | ServedGate | None) -> float:
    """Return the seconds of processor's time that a server and its workers have taken so far."""
    if server is None:
        return 0.0
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in (server.pid, *children(server.pid))]
    ticks = [sum(map(int, stat.rpartition(")")[2].split()[11:13])) for stat in stats]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


async def _wrk(case: Case) -> str:
    seconds = f"-d{scaled(_SECONDS, least=1)}s"
    words = ["wrk", "-t1", f"-c{_CONNECTIONS}", seconds, "--latency", "-H", f"Cookie: {case.cookie}"]
    process = await asyncio.create_subprocess_exec(*words, f"{case.address}/", stdout=asyncio.subprocess.PIPE)
    text = (await process.communicate())[0].decode()
    if process.returncode or "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk has got errors: {text}")
    return text


def _milliseconds(text: str, which_one: str) -> float:
    found = re.search(rf"{which_one} +([0-9.]+)(us|ms|s)", text)
    if found is None:
        raise RuntimeError(f"wrk has said no latency: {text}")
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def _report(found: Mapping[str, Sequence[Run]]) -> Report:
    columns = ("case", "requests/s", "noise", "p50 ms", "p99 ms", "nginx µs", "gate µs")
    report = Report("The gate: one request through nginx", columns)
    for name, runs in found.items():
        best = max(runs, key=lambda run: run.rate)
        middle = sorted(run.rate for run in runs)[len(runs) // 2]
        spent = min(run.nginx for run in runs), min(run.gate for run in runs)
        rates = (f"{best.rate:,.0f}", f"-{1 - middle / best.rate:.0%}", f"{best.p50:.2f}", f"{best.p99:.2f}")
        report.rows.append((name, *rates, *(f"{each:.0f}" for each in spent)))
    report.notes.append(
        f"`wrk` with {_CONNECTIONS} connections for {scaled(_SECONDS)} s a round, the best of {scaled(_ROUNDS)} "
        "interleaved rounds; noise is how much lower the middle one was. The last columns are the processor's time of "
        "one request, which others on the machine change least. One gate process each, one nginx worker, the "
        "session in memory, the application another nginx that answers five bytes; all on the same cores, with wrk."
    )
    return report
