"""Where a token stands in a request (T8), and that a planted one does not count (C7, C8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.cookies import find_cookies
from coatcheck.core.transport import AMBIGUOUS, Transport

Headers = list[tuple[bytes, bytes]]


def well_formed(value: bytes) -> bool:
    return value.startswith(b"t")


ONE = Transport(cookies=(b"sid",), bearer=True)
COOKIE = Transport(cookies=(b"sid",))
TWO = Transport(cookies=(b"__Secure-sid", b"sid"), bearer=True, marks_bearer=True)


def before(headers: Headers, name: bytes, *, bearer: bool) -> bytes:
    """Return what the middleware found before providers had it look for more; of two Authorization headers none."""
    said = [value for key, value in headers if key == b"authorization"]
    tokens = [value[7:].strip() for value in said if value[:7].lower() == b"bearer "]
    if bearer and tokens:
        return tokens[0] if len(said) == 1 else AMBIGUOUS
    values = [found for key, value in headers if key == b"cookie" for found in find_cookies(value, name)]
    if len(values) < 2:
        return values[0] if values else b""
    usable = {value for value in values if well_formed(value)}
    return usable.pop() if len(usable) == 1 else AMBIGUOUS


NAMES = st.sampled_from([b"sid", b"__Secure-sid", b"other"])
PAIRS = st.tuples(NAMES, st.sampled_from([b"t1", b"t2", b"x", b"", b'"t1"']))
COOKIES = st.lists(PAIRS, max_size=4).map(lambda pairs: b"; ".join(b"%s=%s" % pair for pair in pairs))
LINES = st.tuples(st.just(b"cookie"), COOKIES) | st.tuples(
    st.just(b"authorization"), st.sampled_from([b"Bearer t3", b"bearer  t3 ", b"Basic dDM=", b"Bearer", b"Bearer "])
)


@given(st.lists(LINES, max_size=4))
def test_C7_C8_with_one_name_it_finds_what_it_always_has(headers: Headers) -> None:
    assert ONE.find(headers, well_formed) == before(headers, b"sid", bearer=True)
    assert COOKIE.find(headers, well_formed) == before(headers, b"sid", bearer=False)


@given(st.lists(LINES, max_size=4))
def test_C7_with_two_names_the_less_trusted_counts_where_there_is_none_of_the_other(headers: Headers) -> None:
    """A site next door can plant the one without the prefix, and never the other."""
    cookies = [line for line in headers if line[0] == b"cookie"]
    trusted = before(cookies, b"__Secure-sid", bearer=False)
    there = any(find_cookies(value, b"__Secure-sid") for _, value in cookies)
    expected = trusted if there else before(cookies, b"sid", bearer=False)
    assert TWO.find(cookies, well_formed) == expected
    assert TWO.has_cookie(cookies) == (there or any(find_cookies(value, b"sid") for _, value in cookies))


@pytest.mark.parametrize(
    ("line", "found"),
    [(b"Bearer t3", b"Bearer t3"), (b"bearer t3", b"Bearer t3"), (b"Bearer ", b""), (b"Basic t3", b"t1")],
)
def test_T8_a_bearer_token_counts_before_any_cookie_and_says_that_it_is_one(line: bytes, found: bytes) -> None:
    headers = [(b"cookie", b"sid=t1"), (b"authorization", line)]
    assert TWO.find(headers, well_formed) == found
    assert TWO.is_bearer(headers) == (found != b"t1")
    assert TWO.has_cookie(headers) == (found == b"t1")


def test_C7_a_bearer_token_beside_another_authorization_is_none() -> None:
    """Whoever stands in front may have judged the other one."""
    for other in (b"Bearer t4", b"Bearer t3", b"Basic dDM="):
        for lines in ([b"Bearer t3", other], [other, b"Bearer t3"]):
            headers = [(b"cookie", b"sid=t1"), *((b"authorization", line) for line in lines)]
            assert ONE.find(headers, well_formed) == AMBIGUOUS
            assert ONE.is_bearer(headers)


def test_C7_two_different_tokens_are_none() -> None:
    assert TWO.find([(b"cookie", b"sid=t1"), (b"cookie", b"sid=t2")], well_formed) == AMBIGUOUS
    assert TWO.find([(b"cookie", b"sid=t1; sid=t1")], well_formed) == b"t1"
    assert TWO.find([(b"cookie", b"sid=t1; sid=planted")], well_formed) == b"t1"
    assert TWO.find([(b"cookie", b"__Secure-sid=x; sid=t1")], well_formed) == b"x"
