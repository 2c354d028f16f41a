"""Real Better Auth servers, on PostgreSQL and on SQLite, and workers beside them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tests.providers.better_auth.workers import working
from tests.servers.better_auth import SECRET, BetterAuth
from tests.sides import kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.better_auth import Visitor

__all__ = ["kind"]

_people = itertools.count(1)


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def better_auth(request: pytest.FixtureRequest) -> Iterator[BetterAuth]:
    """One server for a module, with everything that does no harm to the others: it must work after each test."""
    database, name = None, ""
    if request.param == "postgresql":
        postgresql = request.getfixturevalue("postgresql")
        name = postgresql.create_database()
        database = postgresql.url(name)
    with BetterAuth(database, bearer=True, two_factor=True) as server:
        yield server
    if name:
        postgresql.drop_database(name)


@pytest.fixture
def workers(kind: str, tmp_path: Path) -> Iterator[Any]:
    """Make workers of one kind: each has a memory of its own, and all share one log."""
    with working(kind, f"sqlite:///{tmp_path}/log.db") as make:
        yield make


@pytest.fixture
def email() -> str:
    """Name somebody who is not known yet."""
    return f"person-{next(_people)}@example.com"


@pytest.fixture
def visitor(better_auth: BetterAuth, email: str) -> Iterator[Visitor]:
    """Somebody who has just registered at Better Auth."""
    with better_auth.visitor() as visitor:
        visitor.sign_up(email, tier="gold")
        better_auth.reset()
        yield visitor


@pytest.fixture
def secrets() -> list[str]:
    return [SECRET]
