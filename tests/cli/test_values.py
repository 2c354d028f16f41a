"""`coatcheck invalidate`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import Cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck import Sessions
    from tests.cli.conftest import Result

    Run = Callable[..., Result]

STORE = ("--store", "sqlite:///app.db")
HOUR = timedelta(hours=1)


def logged() -> list[str]:
    with closing(sqlite3.connect("app.db")) as database:
        return [subject for (subject,) in database.execute("SELECT subject FROM coatcheck_log ORDER BY position")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--namespace", "flags"], "all values in namespace 'flags', of every tenant"),
        (["--namespace", "flags", "--tenant", "acme"], "all values in namespace 'flags' of tenant 'acme'"),
        (["--namespace", "flags", "dark"], "1 key in namespace 'flags'"),
        (["--namespace", "", "dark", "beta"], "2 keys in namespace ''"),
        (["--namespace", "flags", "--tenant", "acme", "--", "-dark"], "1 key in namespace 'flags' of tenant 'acme'"),
        (["--tenant", "acme"], "all values of tenant 'acme'"),
        (["--tenant", "\x1b[2J'"], 'all values of tenant "?[2J\'"'),
    ],
)
def test_it_says_what_was_invalidated(run: Run, sessions: Sessions, words: list[str], said: str) -> None:
    """And no key, which may tell about somebody."""
    result = run("invalidate", *STORE, *words)
    assert (result.code, result.out, result.err) == (0, f"invalidated {said}\n", "")


def test_a_running_application_loads_anew_with_its_next_call(run: Run, sessions: Sessions) -> None:
    """The command is another connection; the cache shares the tiers of the sessions."""
    cache = Cache(sessions)
    answers = iter(range(10))
    flags = cache.namespace("flags")
    assert [flags.get_or_load("dark", lambda: next(answers), ttl=HOUR) for _ in range(3)] == [0, 0, 0]
    assert run("invalidate", *STORE, "--namespace", "flags", "beta").code == 0
    assert flags.get_or_load("dark", lambda: next(answers), ttl=HOUR) == 0
    assert run("invalidate", *STORE, "--namespace", "flags", "dark").code == 0
    assert flags.get_or_load("dark", lambda: next(answers), ttl=HOUR) == 1
    assert run("invalidate", *STORE, "--namespace", "flags").code == 0
    assert flags.get_or_load("dark", lambda: next(answers), ttl=HOUR) == 2
    cache.close()


def test_no_session_is_touched(run: Run, sessions: Sessions) -> None:
    """Whatever the names are: these would be subjects of sessions, users and everyone."""
    created = sessions.create("ada")
    for name in ("*", "u:ada", "ada", created.session.id, f"s:{created.session.id}"):
        assert run("invalidate", *STORE, "--namespace", name).code == 0
        assert run("invalidate", *STORE, "--tenant", name).code == 0
        assert run("invalidate", *STORE, "--namespace", "", name).code == 0
    assert sessions.lookup(created.token) is not None or sessions.get(created.token)
    assert {subject[:2] for subject in logged()} == {"n:", "t:", "k:"}
    assert not any("ada" in subject or created.session.id in subject for subject in logged())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "nothing is named: give --namespace, with keys or without, or --tenant"),
        (["dark"], "keys alone are not possible: say of which namespace (of the cache itself: '')"),
        (["--tenant", "acme", "dark"], "keys alone are not possible: say of which namespace (of the cache itself: '')"),
        (["--tenant", ""], "tenant='' is not possible: name the tenant, or leave it out"),
        (["--namespace", "flags", "--tenant", ""], "tenant='' is not possible: name the tenant, or leave it out"),
    ],
)
def test_what_names_too_little_is_refused(run: Run, sessions: Sessions, words: list[str], complaint: str) -> None:
    """An empty variable of a script must not mean more than was meant."""
    result = run("invalidate", *STORE, *words)
    assert (result.code, result.out, result.err) == (2, "", f"coatcheck: {complaint}\n")
    assert logged() == []
