"""The headers of device-bound sessions: with quotation marks and without, and bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.dbsc import headers
from coatcheck.core.dbsc.headers import Skipped


@pytest.mark.parametrize("line", [b"abc.d-e_f", b'"abc.d-e_f"', b' "abc.d-e_f" '], ids=["bare", "quoted", "spaces"])
def test_strings_are_read_with_quotation_marks_and_without(line: bytes) -> None:
    assert headers.session_id_in([line]) == headers.proof_in([line]) == "abc.d-e_f"


@pytest.mark.parametrize(
    "lines",
    [[], [b""], [b'""'], [b'"a'], [b'a"'], [b'"a\\"b"'], [b"a", b"a"], [b"a b"], [b"a,b"], [b"\xff"], [b"a" * 9000]],
    ids=["none", "empty", "empty string", "open", "shut", "escape", "two", "space", "list", "octet", "long"],
)
def test_what_is_no_string_is_nothing(lines: list[bytes]) -> None:
    assert headers.session_id_in(lines) is None
    assert headers.proof_in(lines) is None


def test_why_a_browser_skipped_is_read_however_it_is_written() -> None:
    line = b'quota_exceeded;session_identifier="one", unreachable;x=1, "?;session_identifier="two"'
    assert headers.skipped_in([line]) == (
        Skipped("quota_exceeded", "one"),
        Skipped("unreachable", None),
        Skipped("", "two"),
    )
    assert headers.skipped_in([]) == ()
    assert headers.skipped_in([b""]) == (Skipped("", None),)
    assert headers.skipped_in([b"x" * 5000]) == (Skipped("", None),)


@given(st.lists(st.binary(max_size=200), max_size=3))
def test_no_header_is_an_error(lines: list[bytes]) -> None:
    for read in (headers.proof_in, headers.session_id_in):
        text = read(lines)
        assert text is None or text.isascii()
    assert len(headers.skipped_in(lines)) <= 16


def test_the_headers_that_are_sent() -> None:
    name, value = headers.registration("/session/device/register", "c-1", "a_2")
    assert name == b"secure-session-registration"
    assert value == b'(ES256 RS256);path="/session/device/register";challenge="c-1";authorization="a_2"'
    assert headers.challenged("c-1", "id") == (b"secure-session-challenge", b'"c-1";id="id"')
    assert headers.can_name("txEbNUk_NANJZueJvgyaOw")
    assert not headers.can_name('a"b')
    assert not headers.can_name("a\r\nb")
