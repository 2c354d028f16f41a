"""What goes wrong is said without a password, a token or its hash (rule T9), and harms nothing else."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import pytest
import sqlalchemy

from coatcheck import ConfigurationError, DataError, Unavailable
from coatcheck.errors import CoatcheckError
from coatcheck.stores.base import SessionChange
from coatcheck.stores.postgresql import PostgreSQLStore
from coatcheck.testing._rows import a_hash, a_row, to_create
from tests.postgresql.hands import plain
from tests.servers.ports import Port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.postgresql.sides import Side

    Connect = Callable[..., Side]

PASSWORD = "swordfish"
HASH = bytes.fromhex("c0ffee") * 10 + b"\0\0"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[BaseException], str]:
    """Return everything that somebody could read of an error: its traceback, the log, and what it was made from."""
    caplog.set_level(logging.DEBUG)

    def everything(error: BaseException) -> str:
        shown = "".join(traceback.format_exception(error))
        return f"{shown}\n{error!r}\n{caplog.text}"

    return everything


VALUES = {
    "a second session with the token": lambda side: side.create(to_create(a_row(side.now()))._replace(token_hash=HASH)),
    "an id too long": lambda side: side.create(_named(side, id="x" * 300)),
    "a user id too long": lambda side: side.create(_named(side, user_id="x" * 300)),
    "a browser too long": lambda side: side.create(_named(side, user_agent="x" * 600)),
    "no address": lambda side: side.create(_named(side, ip="nowhere")),
    "no object": lambda side: side.create(_named(side, data="[]")),
    "no JSON": lambda side: side.create(_named(side, data="{")),
    "a zero in JSON": lambda side: side.create(_named(side, data='{"a": "\\u0000"}')),
    "half a character in JSON": lambda side: side.create(_named(side, data='{"a": "\\ud800"}')),
    "a zero in a text": lambda side: side.create(_named(side, user_agent="a\0b")),
    "half a character": lambda side: side.create(_named(side, user_agent="\ud800")),
    "a zero in saved data": lambda side: side.do("save", SessionChange("kept", {"a": "\0"}, (), 1_000)),
    "saved data too large": lambda side: side.do("save", SessionChange("kept", {"a": "x" * 2_000}, (), 1_000)),
}


def _named(side: Side, **changes: object) -> object:
    return to_create(a_row(side.now(), **{"id": "new", **changes}))._replace(token_hash=b"\1" + HASH[1:])


@pytest.mark.parametrize("call", VALUES.values(), ids=VALUES)
def test_T9_a_value_that_cannot_be_stored_is_a_data_error_with_nothing_lost_and_nothing_shown(
    postgresql_url: str, connect: Connect, call: Callable[[Side], object], said: Callable[[BaseException], str]
) -> None:
    side = connect(postgresql_url, pool_size=1)
    row = a_row(side.now(), id="kept")
    side.create(to_create(row)._replace(token_hash=HASH))
    with pytest.raises(DataError) as caught:
        call(side)
    assert "c0ffee" not in said(caught.value).lower()
    assert side.read(HASH).record == row
    assert side.ids() == ["kept"]
    assert side.store.vitals().connections == 1


def test_T9_nothing_is_shown_where_the_caller_s_connection_fails_either(
    postgresql_url: str, threads: Connect, said: Callable[[BaseException], str]
) -> None:
    """SQLAlchemy's errors show the statement and all of its parameters."""
    side = threads(postgresql_url)
    new = to_create(a_row(side.now()))._replace(token_hash=HASH)
    side.create(new)
    engine = sqlalchemy.create_engine(postgresql_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as theirs, plain(postgresql_url, autocommit=False) as ours:
        theirs.begin()
        for connection in (theirs, ours):
            with pytest.raises(DataError) as caught:
                side.create(new._replace(record=a_row(side.now())), connection=connection)
            text = said(caught.value).lower()
            assert "c0ffee" not in text
            assert "parameters" not in text
    engine.dispose()


URLS = {
    "refused": "postgresql://ann:swordfish@127.0.0.1:{port}/x",
    "no such host": "postgresql://ann:swordfish@no-such-host.invalid/x",
    "an @ in the password": "postgresql://ann:a@swordfish@127.0.0.1:{port}/x",
    "a / in the password": "postgresql://ann:swordfish/a@127.0.0.1:{port}/x",
    "a # in the password": "postgresql://ann:swordfish#a@127.0.0.1:{port}/x",
    "a ? in the password": "postgresql://ann:swordfish?a@127.0.0.1:{port}/x",
    "words": "host=127.0.0.1 port={port} password='swordfish",
    "an unknown word": "postgresql://ann@127.0.0.1:{port}/x?swordfish=1",
    "a percent": "postgresql://ann:swordfish%zz@127.0.0.1:{port}/x",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_T9_no_error_of_connecting_shows_a_password(
    connect: Connect, url: str, said: Callable[[BaseException], str]
) -> None:
    port = Port()
    with pytest.raises((Unavailable, ConfigurationError)) as caught:
        connect(url.format(port=port.number), timeout=2.0)
    assert isinstance(caught.value, CoatcheckError)
    shown = said(caught.value).replace(url.format(port=port.number), "").replace(url, "")
    ours = [line for line in shown.splitlines() if "tests/postgresql" not in line]
    assert PASSWORD not in "\n".join(ours)
    port.close()


def test_T9_no_repr_shows_a_password_or_a_hash() -> None:
    store = PostgreSQLStore(f"postgresql://ann:{PASSWORD}@127.0.0.1/x", replica_url=f"postgresql://a:{PASSWORD}@h/x")
    seen = [store, *vars(store).values(), a_hash]
    assert PASSWORD not in "".join(map(repr, seen))
