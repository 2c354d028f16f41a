"""Cookies: what is sent is exactly what browsers take, and what is read is exactly what was sent."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coatcheck.core.cookies import (
    MAX_AGE,
    MAX_ATTRIBUTE,
    MAX_PAIR,
    CookieError,
    CookieSettings,
    delete_cookie,
    find_cookies,
    set_cookie,
)
from coatcheck.errors import CoatcheckError, ConfigurationError

if TYPE_CHECKING:
    from typing import SupportsIndex

NAME = b"__Host-session"
DEFAULT = CookieSettings()
PLAIN = CookieSettings(name="session")
VALUE = "Zm9v-_.c2ln"
FORBIDDEN = [
    *map(chr, range(0x21)),
    '"',
    ",",
    ";",
    "\\",
    "\x7f",
    "\x80",
    "\x85",
    "\xa0",
    "é",
    "\u2028",
    "\ud800",
]


def changed(**settings: Any) -> CookieSettings:
    """Return settings that differ in these from a cookie without a prefix."""
    return CookieSettings(**{"name": "session", **settings})


def copied(**settings: Any) -> CookieSettings:
    """Return the same by way of a copy."""
    return replace(PLAIN, **settings)


# What is sent


def test_C1_C2_default_cookie_is_host_bound_secure_and_invisible_to_scripts() -> None:
    """The default header is this one, octet for octet."""
    assert set_cookie(DEFAULT, VALUE, None) == b"__Host-session=" + VALUE.encode() + (
        b"; Path=/; Secure; HttpOnly; SameSite=Lax"
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "__Host-Http-s"}, b"__Host-Http-s=v; Path=/; Secure; HttpOnly; SameSite=Lax"),
        ({"name": "__Http-s", "path": "/a"}, b"__Http-s=v; Path=/a; Secure; HttpOnly; SameSite=Lax"),
        (
            {"name": "__Secure-s", "domain": "example.com", "same_site": "strict"},
            b"__Secure-s=v; Domain=example.com; Path=/; Secure; HttpOnly; SameSite=Strict",
        ),
        ({"name": "s", "same_site": "none"}, b"s=v; Path=/; Secure; HttpOnly; SameSite=None"),
        ({"name": "s", "secure": False, "http_only": False}, b"s=v; Path=/; SameSite=Lax"),
        ({"http_only": False}, b"__Host-session=v; Path=/; Secure; SameSite=Lax"),
    ],
)
def test_C1_every_setting_appears_in_the_header(settings: dict[str, Any], expected: bytes) -> None:
    """Each combination that browsers take yields one exact header."""
    assert set_cookie(CookieSettings(**settings), "v", None) == expected


@pytest.mark.parametrize("name", ["__Host-s", "__host-s", "__HOST-s", "__Host-Http-s", "__host-hTTP-s"])
@pytest.mark.parametrize(
    ("setting", "value"), [("secure", False), ("path", "/app"), ("domain", "example.com")], ids=str
)
def test_C1_host_prefix_refuses_contradictions(name: str, setting: str, value: Any) -> None:
    """A host-bound name, in any case, goes with Secure, the root path and no domain only."""
    with pytest.raises(ConfigurationError, match=f"^cookie {setting}={re.escape(repr(value))} "):
        CookieSettings(name=name, **{setting: value})


@pytest.mark.parametrize("name", ["__Secure-s", "__SECURE-s", "__Http-s", "__http-s"])
def test_C1_secure_prefixes_refuse_an_insecure_cookie(name: str) -> None:
    """A name with any prefix needs Secure."""
    with pytest.raises(ConfigurationError, match=r"^cookie secure=False "):
        CookieSettings(name=name, secure=False)


@pytest.mark.parametrize("name", ["__Http-s", "__http-s", "__Host-Http-s", "__HOST-HTTP-s"])
def test_C3_http_prefixes_refuse_a_cookie_that_scripts_read(name: str) -> None:
    """A name that says "set over HTTP only" needs HttpOnly."""
    with pytest.raises(ConfigurationError, match=r"^cookie http_only=False "):
        CookieSettings(name=name, http_only=False)


def test_C2_same_site_none_needs_secure() -> None:
    """SameSite=None without Secure, which browsers drop, is refused."""
    with pytest.raises(ConfigurationError, match=r"^cookie same_site='none' .*secure=True"):
        CookieSettings(name="s", same_site="none", secure=False)


def test_C2_same_site_takes_the_three_known_values_only() -> None:
    """A misspelled SameSite, which browsers would take for none at all, is refused."""
    misspelled: Any = "Lax; Domain=evil.example"
    with pytest.raises(ConfigurationError, match=r"^cookie same_site="):
        CookieSettings(same_site=misspelled)


@pytest.mark.parametrize("length", [MAX_PAIR - len(NAME), MAX_PAIR - len(NAME) + 1])
def test_C4_name_and_value_have_4096_octets_at_most(length: int) -> None:
    """The largest cookie that browsers keep is sent, and one octet more is an error."""
    if length + len(NAME) <= MAX_PAIR:
        assert set_cookie(DEFAULT, "x" * length, None).startswith(NAME + b"=" + b"x" * length + b"; ")
    else:
        with pytest.raises(CookieError, match="4097 octets"):
            set_cookie(DEFAULT, "x" * length, None)


@pytest.mark.parametrize(("setting", "prefix"), [("path", "/"), ("domain", "d")])
def test_C4_attributes_have_1024_octets_at_most(setting: str, prefix: str) -> None:
    """The largest attribute that browsers heed is accepted, and one octet more is refused."""
    longest = prefix.ljust(MAX_ATTRIBUTE, "a")
    assert getattr(changed(**{setting: longest}), setting) == longest
    with pytest.raises(ConfigurationError, match=f"^cookie {setting}=.*1024"):
        changed(**{setting: longest + "a"})


@pytest.mark.parametrize(
    ("max_age", "sent"), [(1, 1), (3600, 3600), (MAX_AGE, MAX_AGE), (MAX_AGE + 1, MAX_AGE), (0, 0), (-5, 0)]
)
def test_C4_max_age_is_cut_to_400_days(max_age: int, sent: int) -> None:
    """Max-Age is sent as given, within 0 and 400 days."""
    assert b"; Max-Age=%d; " % sent in set_cookie(DEFAULT, VALUE, max_age)
    assert MAX_AGE == 400 * 24 * 60 * 60


@pytest.mark.parametrize("bad", FORBIDDEN, ids=ascii)
@pytest.mark.parametrize("form", ["{}", "{}x", "x{}", "x{}x"])
def test_C5_value_with_a_forbidden_character_is_not_sent(bad: str, form: str) -> None:
    """No control character, separator or non-ASCII character gets into the header through the value."""
    value = "secret" + form.format(bad)
    with pytest.raises(CookieError) as caught:
        set_cookie(DEFAULT, value, None)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("bad", FORBIDDEN, ids=ascii)
@pytest.mark.parametrize(("setting", "good"), [("name", "s"), ("path", "/a"), ("domain", "a.example")])
def test_C5_attribute_with_a_forbidden_character_is_refused(setting: str, good: str, bad: str) -> None:
    """No forbidden character gets in through a setting, first, last or in between, nor by copying."""
    for value in (good + bad, bad + good, good + bad + "x"):
        with pytest.raises(ConfigurationError, match=f"^cookie {setting}="):
            changed(**{setting: value})
        with pytest.raises(ConfigurationError, match=f"^cookie {setting}="):
            copied(**{setting: value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("name", ""),
        ("name", "a=b"),
        ("name", "a:b"),
        ("name", "a/b"),
        ("name", "a[b]"),
        ("path", ""),
        ("path", "app"),
        ("domain", ""),
        ("domain", "."),
        ("domain", ".example.com"),
        ("domain", "example.com."),
        ("domain", "example.com:443"),
        ("domain", "https://example.com"),
        ("domain", "*.example.com"),
    ],
)
def test_C5_settings_outside_their_grammar_are_refused(setting: str, value: str) -> None:
    """A name is a token, a path starts with a slash, and a domain is a bare host name."""
    with pytest.raises(ConfigurationError, match=f"^cookie {setting}={re.escape(repr(value))} is not possible: "):
        changed(**{setting: value})


@given(value=st.text(), setting=st.sampled_from(["value", "name", "path", "domain", "same_site"]))
@example(value="x\r\nSet-Cookie: a=b", setting="value")
@example(value="/\r\nSet-Cookie: a=b", setting="path")
@example(value="a; Domain=evil.example", setting="domain")
@example(value="lax; Domain=evil.example", setting="same_site")
@example(value="v\n", setting="value")
def test_C5_nothing_injects_an_attribute_or_a_header(value: str, setting: str) -> None:
    """Whatever text arrives, the result is an error, or a header with just the attributes that were set."""
    try:
        settings = PLAIN if setting == "value" else copied(**{setting: value})
        header = set_cookie(settings, value if setting == "value" else "v", 60).decode("ascii")
    except (CookieError, ConfigurationError):
        return
    pair, *attributes = header.split("; ")
    names = ["Max-Age", "Domain", "Path", "Secure", "HttpOnly", "SameSite"]
    assert [item.split("=")[0] for item in attributes] == [
        name for name in names if name != "Domain" or settings.domain is not None
    ]
    assert pair.partition("=")[::2] == (settings.name, value if setting == "value" else "v")
    assert re.fullmatch(r"[\x21-\x7e]+(?:; [\x21-\x7e]+)+", header)


def test_L10_empty_value_is_not_sent() -> None:
    """An empty session cookie is a mistake of the caller, not a session."""
    with pytest.raises(CookieError, match="empty"):
        set_cookie(DEFAULT, "", None)


def test_C10_deletion_repeats_all_attributes() -> None:
    """A cookie is deleted with the name, path, domain and flags it was set with."""
    settings = CookieSettings(name="__Secure-s", path="/app", domain="example.com", same_site="strict")
    assert delete_cookie(settings) == (
        b"__Secure-s=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Domain=example.com; Path=/app; "
        b"Secure; HttpOnly; SameSite=Strict"
    )


@pytest.mark.parametrize("same_site", ["lax", "strict", "none"])
@pytest.mark.parametrize("domain", [None, "example.com"])
@pytest.mark.parametrize("http_only", [True, False])
def test_C10_deletion_differs_from_setting_in_value_and_age_only(
    same_site: Literal["lax", "strict", "none"], domain: str | None, *, http_only: bool
) -> None:
    """Nothing that identifies the cookie to the browser differs between setting and deleting it."""
    settings = CookieSettings(name="s", same_site=same_site, domain=domain, http_only=http_only)
    was_set = set_cookie(settings, VALUE, None).split(b"; ")[1:]
    assert delete_cookie(settings).split(b"; ")[3:] == was_set


def test_cookie_error_is_ours_and_a_value_error() -> None:
    """A caller catches it with the package's root or as a ValueError."""
    assert issubclass(CookieError, CoatcheckError)
    assert issubclass(CookieError, ValueError)


# What is read


def model(header: bytes, name: bytes) -> list[bytes]:
    """Read a header the slow and obvious way."""
    pairs = [pair.strip(b" \t") for pair in header.split(b";")]
    return [pair.partition(b"=")[2] for pair in pairs if b"=" in pair and pair.partition(b"=")[0] == name]


@pytest.mark.parametrize(
    "header",
    [
        NAME + b"=v",
        NAME + b"=v; theme=dark",
        b"theme=dark; " + NAME + b"=v; a=b",
        b"theme=dark;" + NAME + b"=v",
        b"theme=dark;  \t" + NAME + b"=v \t; a=b",
        b" " + NAME + b"=v",
        b";;; ;" + NAME + b"=v;;",
    ],
)
def test_C8_cookie_is_found_wherever_it_stands(header: bytes) -> None:
    """The place among other pairs, and spaces or tabs around it, do not matter."""
    assert find_cookies(header, NAME) == [b"v"]


@pytest.mark.parametrize("separator", [b"; ", b";", b" ;\t"])
def test_C7_duplicate_names_are_all_returned_in_order(separator: bytes) -> None:
    """Neither the first nor the last of several cookies of one name wins: the caller sees them all."""
    for values in ([b"evil", b"good"], [b"good", b"evil"], [b"same", b"same"], [b"", b"x", b""]):
        header = separator.join(NAME + b"=" + value for value in values)
        assert find_cookies(header, NAME) == values
        assert find_cookies(b"a=b; " + header + b"; c=d", NAME) == values


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"=" + NAME + b"=bad",
        b"a=b; =" + NAME + b"=bad",
        b"= " + NAME + b"=bad",
        b"__host-session=bad",
        b"__HOST-SESSION=bad",
        b'"__Host-session"=bad',
        b'"__Host-session=bad"',
        b"x__Host-session=bad",
        b"__Host-sessionx=bad",
        NAME,
        NAME + b" =bad",
        NAME + b"\t=bad",
        NAME + b"\x00=bad",
        b"x=" + NAME + b"=bad",
        b'x="; y=' + NAME + b'=bad"',
        b"x " + NAME + b"=bad",
        b"a=b, " + NAME + b"=bad",
        b"a=b& " + NAME + b"=bad",
        b"$Version=1, " + NAME + b"=bad",
        b"%5F_Host-session=bad",
        b"__Host%2Dsession=bad",
        b"\\137_Host-session=bad",
    ],
)
def test_C8_only_the_exact_name_matches(header: bytes) -> None:
    """A nameless pair, another case, quotes, escapes and other separators do not make another cookie ours."""
    assert find_cookies(header, NAME) == []


@pytest.mark.parametrize(
    "space",
    [b"\x0b", b"\x0c", b"\r", b"\n", b"\x00", b"\x1c", b"\x85", b"\xa0", b"\xc2\x85", b"\xe2\x80\x80"],
)
def test_C8_other_white_space_belongs_to_the_name(space: bytes) -> None:
    """White space that browsers keep in a name does not smuggle a cookie past the checks of the prefix."""
    assert find_cookies(b"a=b; " + space + NAME + b"=bad", NAME) == []
    assert find_cookies(space + NAME + b"=bad", NAME) == []


@pytest.mark.parametrize(
    "value", [b"", b"a=b", b'"quoted"', b"\\073", b"%3B", b"\xff\x00", b"a b", b"a,b", b"v\x0b", b"v\r"]
)
def test_C8_value_is_returned_byte_for_byte(value: bytes) -> None:
    """A value is neither unquoted nor unescaped nor decoded."""
    assert find_cookies(b"a=b; " + NAME + b"=" + value + b"; c=d", NAME) == [value]


def test_C8_quotes_do_not_join_pairs() -> None:
    """A quoted string of RFC 2109 cannot swallow the session cookie (the "cookie sandwich")."""
    assert find_cookies(b'$Version=1; a="x; ' + NAME + b'=v; b=y"', NAME) == [b"v"]


def test_L10_empty_value_is_reported_as_empty() -> None:
    """A cookie without a value is found, as an empty value, for the caller to refuse."""
    assert find_cookies(NAME + b"=; a=b", NAME) == [b""]
    assert find_cookies(NAME + b'=""', NAME) == [b'""']


def test_L10_empty_name_matches_nothing() -> None:
    """Asking for the empty name does not read nameless pairs."""
    assert find_cookies(b"=x; a=b; =y", b"") == []


JUNK = 64 * 1024
HOSTILE = {
    "backslashes": b'"' + b"\\" * JUNK,
    "quotes": b'a="' + b'"' * JUNK,
    "semicolons": b";" * JUNK,
    "blanks": b" " * JUNK,
    "tabs and spaces": b" \t" * (JUNK // 2),
    "equals": b"=" * JUNK,
    "pairs": b"; ".join(b"s.%d=x" % number for number in range(10_000)),
    "brackets": b"a[b]=c; " * (JUNK // 8),
    "our name in a value": b"x=" + (NAME + b"=") * (JUNK // 15),
    "our name after a blank": (b"x " + NAME + b"=;") * (JUNK // 18),
    "our name almost": (b" __Host-sessio=") * (JUNK // 15),
    "octets": bytes(octet for octet in range(256) if octet != ord(";")) * (JUNK // 255),
}


@pytest.mark.parametrize("junk", HOSTILE.values(), ids=HOSTILE)
def test_C9_hostile_pairs_hide_nothing(junk: bytes) -> None:
    """64 KB of junk before, between or behind neither hides our cookie nor adds one."""
    ours = NAME + b"=v"
    assert find_cookies(junk, NAME) == []
    assert find_cookies(junk + b";" + ours, NAME) == [b"v"]
    assert find_cookies(ours + b";" + junk, NAME) == [b"v"]
    assert find_cookies(ours + b"; " + junk + b"; " + ours, NAME) == [b"v", b"v"]


class Counted(bytes):
    """A header that counts how many of its octets are looked at."""

    work = 0

    def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:
        """Count from the start of the search to its hit."""
        assert end is None
        at = super().find(sub, start)
        self.work += (at if at >= 0 else len(self)) - start
        return at

    def rfind(self, sub: Any, start: Any = 0, end: Any = None) -> int:
        """Count from the end of the search back to its hit."""
        at = super().rfind(sub, start, end)
        self.work += end - (at if at >= 0 else start)
        return at

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        """Count what is copied."""
        part = super().__getitem__(key)
        self.work += len(part) if isinstance(part, bytes) else 1
        return part


@pytest.mark.parametrize(
    "junk",
    [*HOSTILE.values(), (NAME + b"=;") * 5000, (NAME + b"=") * 5000, (b" " * 9 + NAME + b"=; ") * 5000],
)
def test_C9_every_octet_is_looked_at_a_bounded_number_of_times(junk: bytes) -> None:
    """The work grows with the header's length, not with its square."""
    header = Counted(junk)
    assert find_cookies(header, NAME) == model(junk, NAME)
    assert len(junk) - len(NAME) - 1 <= header.work <= 5 * len(junk)


PIECES = st.sampled_from(
    [
        b"s",
        b"ss",
        b"S",
        b"=",
        b"==",
        b";",
        b"; ",
        b" ",
        b"\t",
        b'"',
        b"\\",
        b",",
        b"\x85",
        b"\x0b",
        b"\x00",
        b"v",
    ]
)


@given(st.lists(PIECES, max_size=40).map(b"".join), st.sampled_from([b"s", b"ss", b"S", b"sv"]))
@example(b"s=1;s=2", b"s")
@example(b"s=s=1; \ts=2 ;=s=3", b"s")
def test_C9_scan_agrees_with_the_obvious_reading(header: bytes, name: bytes) -> None:
    """The fast scan returns what splitting at every semicolon and trimming would."""
    assert find_cookies(header, name) == model(header, name)


@given(st.text(st.characters(codec="ascii", exclude_characters='",;\\ \x7f', min_codepoint=0x21), min_size=1))
def test_C5_C8_what_was_sent_is_read_back(value: str) -> None:
    """A value that may be sent comes back unchanged."""
    pair = set_cookie(DEFAULT, value, None).partition(b"; ")[0]
    assert find_cookies(b"a=b; " + pair + b"; c=d", NAME) == [value.encode()]
