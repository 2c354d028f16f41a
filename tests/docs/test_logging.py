"""docs/logging.md lists every event that the package logs, with its level and its fields, and no other."""

from __future__ import annotations

import ast
import logging
import re
from collections import defaultdict
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import pytest

from coatcheck import Policy, Sessions, Unavailable
from coatcheck.core.events import EventKind
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore, ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "coatcheck"
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
KEY = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"

QUIETS_ANOTHER = "providers/base.py"
"""The file that names loggers of the HTTP client, to keep its records out of every log; it logs nothing itself."""

SECRETS = re.compile(r"token|secret|password|hash|presented|copy|cookie|keys?$|url$|conninfo|record", re.IGNORECASE)
"""What a variable may not be called that is handed to a logger."""


class Kind(NamedTuple):
    """What is known of an event: the levels it comes with and the fields it can have."""

    levels: frozenset[str]
    fields: frozenset[str]


def documented() -> dict[str, Kind]:
    """Read the tables of the page."""
    text = (ROOT / "docs" / "logging.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(coatcheck\.[a-z_]+)` \| ([a-z, ]+) \| (.*?) ?\| .+ \|$", text, re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows})
    return {
        name: Kind(frozenset(levels.split(", ")), frozenset(re.findall(r"`(\w+)`", fields)))
        for name, levels, fields in rows
    }


@cache
def trees() -> list[tuple[str, ast.Module]]:
    """Parse the package's own files; the demo is an application of its own."""
    paths = [path for path in sorted(SOURCE.rglob("*.py")) if SOURCE / "demo" not in path.parents]
    return [(str(path.relative_to(SOURCE)), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Find the calls of methods."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node


def called(call: ast.Call) -> tuple[str, str]:
    """Return what a method is called on, and its name."""
    assert isinstance(call.func, ast.Attribute)
    return ast.unparse(call.func.value), call.func.attr


def logging_calls() -> Iterator[tuple[str, ast.Call]]:
    for name, tree in trees():
        for call in calls(tree):
            if called(call)[0] in {"_log", "logging"} and called(call)[1] in {*LEVELS, "log", "critical", "warn"}:
                yield f"{name}:{call.lineno}", call


def emitted(without: str) -> dict[str, Kind]:
    """Read the source, all but one folder."""
    levels: defaultdict[str, set[str]] = defaultdict(set)
    fields: defaultdict[str, set[str]] = defaultdict(set)
    for place, call in logging_calls():
        if place.startswith(without):
            continue
        on, level = called(call)
        assert (on, level in LEVELS) == ("_log", True), f"{place} logs in another way"
        message = call.args[0]
        assert isinstance(message, ast.Constant), f"{place}: the name of an event is a constant"
        assert isinstance(message.value, str)
        names = [message.value]
        if message.value == "coatcheck.%s":
            names = [f"coatcheck.{kind}" for kind in get_args(EventKind)]
        for name in names:
            levels[name].add(LEVELS[level])
            fields[name].update(extra_of(call))
    return {name: Kind(frozenset(levels[name]), frozenset(fields[name])) for name in levels}


def extra_of(call: ast.Call) -> list[str]:
    extras = [keyword.value for keyword in call.keywords if keyword.arg == "extra"]
    if not extras:
        return []
    assert isinstance(extras[0], ast.Dict)
    return [str(ast.literal_eval(key)) for key in extras[0].keys if key is not None]


@pytest.mark.parametrize("side", ["_async/", "_sync/"])
def test_the_page_lists_what_the_source_logs(side: str) -> None:
    """Not one event more or less, with the same levels and fields, with asyncio and with threads."""
    assert documented() == emitted(without=side)


def test_there_is_one_logger() -> None:
    """What hides behind another name would not be found here, nor by who configures logging."""
    made = [
        (name, ast.literal_eval(call.args[0]))
        for name, tree in trees()
        for call in calls(tree)
        if called(call) == ("logging", "getLogger") and name != QUIETS_ANOTHER
    ]
    assert made
    assert {logger for _, logger in made} == {"coatcheck"}
    assigned = [
        ast.unparse(node)
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "getLogger" in ast.unparse(node.value)
    ]
    assert set(assigned) == {"_log = logging.getLogger('coatcheck')"}


def test_T9_nothing_that_sounds_like_a_secret_is_handed_to_a_logger() -> None:
    """Neither as a field nor as a value."""
    for place, call in logging_calls():
        names = {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
        assert not [name for name in {*names, *extra_of(call)} if SECRETS.search(name)], place


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept(caplog: pytest.LogCaptureFixture) -> Iterator[Kept]:
    caplog.set_level(logging.DEBUG, logger="coatcheck")
    handler = Kept()
    logging.getLogger("coatcheck").addHandler(handler)
    yield handler
    logging.getLogger("coatcheck").removeHandler(handler)


def events_of_a_life(path: Path) -> list[str]:
    """Let happen what can happen to sessions on one store; returns every token there was."""
    clock = ManualClock()
    store = FaultyStore(SQLiteStore(str(path), clock=clock))

    def hook(event: Any) -> None:
        if event.kind == "evicted":
            raise RuntimeError("the hook is broken")

    policy = Policy(max_sessions=1, rotate_after=timedelta(days=1), notice_new_devices=True)
    with Sessions(store, policy=policy, keys=[KEY], clock=clock, on_event=hook) as sessions:
        first = sessions.create("ada", ip="192.0.2.1")
        second = sessions.create("ada", ip="198.51.100.1")
        third = sessions.create("bob", replaces=second.token)
        rotated = sessions.rotate(third.token, reauthenticated=True)
        assert rotated
        sessions.note_client(rotated.session, ip="192.0.2.9", user_agent="other")
        clock.advance(timedelta(minutes=10))
        store.fail("touch", times=1)
        sessions.get(rotated.token)
        sessions.flush()
        sessions.create("eve")
        fourth = sessions.create("kim")
        fifth = sessions.renew_token(fourth.token)
        assert fifth
        clock.advance(timedelta(seconds=30))
        sessions.get(fourth.token)
        clock.advance(timedelta(seconds=10))
        store.fail("poll", "read")
        with suppress(Unavailable):
            sessions.get(rotated.token)
        store.heal()
        sessions.get(rotated.token)
        clock.advance(timedelta(days=365))
        sessions.sweep()
        sessions.revoke_everyone()
    return [made.token.reveal() for made in (first, second, third, rotated, fourth, fifth)]


def test_T9_events_have_the_fields_of_the_page_and_no_token(kept: Kept, tmp_path: Path) -> None:
    """What arrives at a handler is what is documented, and holds no token, key or hash of one."""
    tokens = events_of_a_life(tmp_path / "app.db")
    usual = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
    pages = documented()
    for record in kept.records:
        kind = pages[record.getMessage()]
        assert set(vars(record)) - usual <= kind.fields, record.getMessage()
        assert record.levelname.lower() in kind.levels
        everything = repr(vars(record))
        for token in tokens:
            assert token.split(".")[0] not in everything
        assert KEY not in everything
    seen = {record.getMessage() for record in kept.records}
    of_devices = {"bound", "unproven"}  # tests/dbsc has the like for these: they need a device
    assert seen == {f"coatcheck.{kind}" for kind in {*get_args(EventKind)} - of_devices} | {
        "coatcheck.hook_failed",
        "coatcheck.touch_failed",
        "coatcheck.authority_unavailable",
        "coatcheck.authority_available",
    }
