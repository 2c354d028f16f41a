"""What assurance a session has (A2, A4): the kinds of factors that were proved, each at its own time."""

from __future__ import annotations

import pytest

from coatcheck import DataError
from coatcheck.core.authentication import Authentication, authentication_of, checked

NOW = 1_000_000
LATER = NOW + 60


def proved(*methods: str) -> Authentication:
    """Return what is known of somebody who has just used these methods."""
    return checked(methods, None, None, NOW)


@pytest.mark.parametrize(
    ("methods", "kinds"),
    [
        ((), 0),
        (("pwd",), 1),
        (("pwd", "pin", "kba"), 1),
        (("otp", "hwk"), 1),
        (("pwd", "otp"), 2),
        (("pwd", "hwk", "fpt"), 3),
        (("mfa",), 2),
        (("pwd", "mfa"), 2),
        (("geo", "user", "rba"), 0),
        (("magic-link",), 1),
        (("magic-link", "carrier-pigeon"), 1),
    ],
)
def test_A2_factors_of_one_kind_count_once(methods: tuple[str, ...], kinds: int) -> None:
    assert proved(*methods).factors_since(NOW) == kinds


def test_A2_each_factor_has_its_own_age() -> None:
    """The second factor of this morning is not renewed by the password of now."""
    morning = proved("pwd", "otp")
    again = morning.renewed(["pwd"], None, LATER)
    assert again.factors_since(NOW) == 2
    assert again.factors_since(NOW + 1) == 1
    assert again.renewed(["otp"], None, LATER).factors_since(LATER) == 2


def test_A2_the_same_factor_again_raises_nothing() -> None:
    assert proved("pwd").renewed(["pwd", "pin"], None, LATER).factors_since(NOW) == 1


def test_A4_the_level_stays_until_another_is_named() -> None:
    begun = checked(["pwd"], "aal1", "7", NOW)
    assert begun.renewed(["pwd"], None, LATER).acr == "aal1"
    assert begun.renewed(["otp"], "aal2", LATER).acr == "aal2"
    assert begun.renewed(["otp"], "aal2", LATER).actor == "7"


@pytest.mark.parametrize("known", [Authentication(), proved("pwd"), Authentication(acr="ü"), Authentication(actor="7")])
def test_what_is_kept_is_read_again(known: Authentication) -> None:
    assert authentication_of(known.text()) == known


def test_nothing_known_keeps_nothing() -> None:
    assert Authentication().text() is None


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "7", "{", '{"methods":7}', '{"methods":{"pwd":"soon"}}', '{"methods":[["pwd"]]}']
)
def test_A2_what_makes_no_sense_grants_nothing(text: str) -> None:
    assert authentication_of(text).factors_since(-(2**62)) == 0


@pytest.mark.parametrize(
    ("methods", "acr", "actor", "named"),
    [
        ("pwd", None, None, "methods='pwd'"),
        (["PWD"], None, None, "'PWD'"),
        ([""], None, None, "''"),
        (["a" * 33], None, None, "a" * 33),
        ([f"m{number}" for number in range(9)], None, None, "9 methods"),
        ([], "", None, "acr of 0"),
        ([], None, "a" * 256, "actor of 256"),
    ],
)
def test_bad_input_is_refused(methods: list[str], acr: str | None, actor: str | None, named: str) -> None:
    with pytest.raises(DataError, match=named.replace("[", r"\[")):
        checked(methods, acr, actor, NOW)
