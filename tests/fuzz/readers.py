"""The readers that need no request: each against the obvious reading of the same octets, or a secret it insists on."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from coatcheck.core import addresses
from coatcheck.core.base64url import text_of
from coatcheck.core.cookies import find_cookies
from coatcheck.core.credentials import Credentials
from coatcheck.core.cross_origin import CrossOriginPolicy, CrossOriginRequest
from coatcheck.core.dbsc import bound_cookie, challenges, headers, proofs
from coatcheck.core.form_tokens import FormTokens
from coatcheck.core.imported import ImportedTokens
from coatcheck.core.jose import keys
from coatcheck.core.jose.jwts import ALGORITHMS, ProofRefused
from coatcheck.core.session import STAMP, Record, Session
from coatcheck.core.signing import KeyRing
from coatcheck.core.tokens import TokenHash, new_token
from coatcheck.core.transport import AMBIGUOUS, Transport
from coatcheck.core.webhooks import WebhookRefused, checked_secrets, received, sign_out_of, signature
from coatcheck.errors import FormTokenRejected
from coatcheck.providers.better_auth.signature import Signatures, signed
from coatcheck.serve.forwarded import LONGEST_URI, NotForwarded, Seen, is_plain, seen_in_headers, sign_in_address
from coatcheck.web.pages import safe_next
from tests.fuzz.shapes import JSON_VALUES, JUNK, OCTETS, Lines, near, objects, written
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "a key of the tests, thirty-two octets or more"
NAME = b"__Host-session"
GOOD, OTHER = (new_token().reveal().encode() for _ in range(2))


def reader(name: str, samples: Any, check: Callable[[Any], None], *grows: Any) -> Target:
    """Return a target that needs nothing but its check."""

    @contextmanager
    def opened(_: Path) -> Iterator[Callable[[Any], None]]:
        yield check

    return Target(name, samples, opened, *grows)


# --- cookies


def obvious(header: bytes, name: bytes) -> list[bytes]:
    """Return a cookie's values as anybody would read them."""
    pairs = [part.strip(b" \t").partition(b"=") for part in header.split(b";")]
    return [value for found, equals, value in pairs if equals and found == name]


_VALUES = st.sampled_from([GOOD, OTHER]) | near(GOOD) | JUNK
_PAIRS = st.tuples(
    st.sampled_from([b"", b" ", b"\t"]),
    st.sampled_from([NAME, b"__host-session", NAME + b"-b", b"session", b"=" + NAME, b"\x85" + NAME, b""]) | JUNK,
    st.sampled_from([b"=", b" =", b"", b"=\t"]),
    _VALUES,
).map(b"".join)
COOKIE_HEADERS = st.lists(_PAIRS | JUNK, max_size=6).map(b";".join)


def _cookies(lines: list[bytes]) -> None:
    for line in lines:
        for name in (NAME, b"session", b"s"):
            assert find_cookies(line, name) == obvious(line, name)
    found = Transport(cookies=(NAME,)).find([(b"cookie", line) for line in lines], TokenHash().well_formed)
    values = [value for line in lines for value in obvious(line, NAME)]
    tokens = {value for value in values if TokenHash().well_formed(value)}
    if len(values) == 1:
        assert found == values[0]
    else:
        assert found == (tokens.pop() if len(tokens) == 1 else (AMBIGUOUS if values else b""))


_PUMPED = (b"a=b; ", b"\\", b'"\\', b"__Host-session", b"=;", b" ", b"; ")


# --- Authorization


def _authorization(lines: Lines) -> None:
    transport = Transport(cookies=(NAME,), bearer=True)
    found = transport.find(lines, TokenHash().well_formed)
    said = [value for name, value in lines if name == b"authorization"]
    if found in {GOOD, OTHER}:
        by_header = len(said) == 1 and said[0][:7].lower() == b"bearer " and said[0][7:].strip(b" \t") == found
        by_cookie = found in [value for name, line in lines if name == b"cookie" for value in obvious(line, NAME)]
        assert by_header or (by_cookie and not transport.is_bearer(lines))


_SCHEMES = st.sampled_from(
    [b"Bearer ", b"bearer ", b"BEARER  ", b"Bearer\t", b"Bearer", b"Basic ", b"DPoP ", b"", b" Bearer "]
)
_AUTHORIZATION = st.tuples(st.just(b"authorization"), st.tuples(_SCHEMES, _VALUES).map(b"".join))
_COOKIE_LINE = st.tuples(st.just(b"cookie"), COOKIE_HEADERS)
AUTHORIZATIONS = st.lists(_AUTHORIZATION | _COOKIE_LINE, max_size=4)


# --- signed values

_RING = KeyRing([KEY], deployment="fuzz")
_CREDENTIALS = Credentials(TokenHash(), _RING, ImportedTokens(library="litestar"))
_SIGNED = _RING.sign(GOOD.decode()).encode()
_SECRET = "IHKpcSXRnvRYjmLPdPFxQDVUpG8hGQbx0cTkbQOb0tE"
_BETTER = signed(GOOD.decode(), _SECRET).encode()
_MACS = _RING.derived(bound_cookie.CONTEXT)
_BOUND = bound_cookie.issued(_MACS[0], "session-1", 2_000).encode()
_OFFER = challenges.offered(_MACS[0], "session-1", 7, bytes(challenges.NONCE), 1_000)


def _signed_value(value: bytes) -> None:
    verified = _RING.verify(value.decode("latin-1"))
    assert verified is None or value == _SIGNED
    known = _CREDENTIALS.hash_of(value)
    assert not isinstance(known, bytes) or value == _SIGNED or set(value) <= set(b"0123456789abcdef")
    assert _CREDENTIALS.renewed(value) is None
    signatures = Signatures([_SECRET])
    if (token := signatures.verify(value)) is not None:
        assert token == GOOD, "percent-encoding is the only other spelling"
    proven = bound_cookie.proves(_MACS, [value], "session-1", 1_000)
    assert proven == (value == _BOUND)
    text = value.decode("latin-1")
    for offer in (challenges.Offer(text, _OFFER.authorization), challenges.Offer(_OFFER.challenge, text)):
        assert challenges.accepts(_MACS, "session-1", 7, offer, 1_000) == (offer == _OFFER)


_SIGNED_VALUES = st.one_of(*(near(good) for good in (_SIGNED, _BETTER, _BOUND, GOOD, *map(str.encode, _OFFER))), JUNK)


# --- device proofs and their headers

_JWK_MEMBERS = st.sampled_from(["EC", "RSA", "P-256", "oct", text_of(bytes(32)), text_of(b"\xff" * 256), "AQAB"])
_JWKS = objects("kty", "crv", "x", "y", "n", "e", "d", known=_JWK_MEMBERS) | JSON_VALUES
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "typ": st.just("dbsc+jwt") | JSON_VALUES,
        "alg": st.sampled_from(["ES256", "RS256", "none", "HS256"]) | JSON_VALUES,
        "jwk": _JWKS,
        "crit": JSON_VALUES,
    },
)
_CLAIMS = objects("jti", "authorization", "aud", "sub")
_SIGNATURES = st.binary(max_size=70)
PROOFS = st.tuples(_HEADERS, _CLAIMS, _SIGNATURES).map(
    lambda parts: ".".join([text_of(written(parts[0])), text_of(written(parts[1])), text_of(parts[2])])
)


class _NeverRight:
    def verifies(self, key: Any, message: bytes, signature: bytes) -> bool:
        return False


def _proof(sample: tuple[str, list[bytes], Any]) -> None:
    text, lines, jwk = sample
    with suppress(ProofRefused):
        proof = proofs.parsed(text)
        assert proof.algorithm in ALGORITHMS
        assert proof.challenge not in repr(proof) or not proof.challenge
        proofs.registered_key(proof, _NeverRight(), audiences=())
        raise AssertionError("nobody has signed it")
    for algorithm in ALGORITHMS:
        with suppress(keys.BadKey):
            assert keys.read(keys.written(key := keys.key_of(algorithm, jwk))) == key
    assert len(headers.skipped_in(lines)) <= 16 * max(1, len(lines))
    for read in (headers.proof_in, headers.session_id_in):
        found = read(lines)
        assert found is None or (len(lines) == 1 and found.isascii() and found.encode() in lines[0])


def _parsed(octets: bytes) -> object:
    with suppress(ProofRefused):
        return proofs.parsed(octets.decode("latin-1"))
    return headers.skipped_in([octets]), headers.proof_in([octets])


# --- form tokens

_FORMS = FormTokens([KEY])
_SESSION = Session(
    STAMP.pack(0, 0, 0) + Record("session-1", "ada", 1, 1, 1, 2, 3, 60_000_000, False, None, None, "{}").pack()  # noqa: FBT003
)
_ISSUED = _FORMS.issue(_SESSION)


def _form_token(value: bytes) -> None:
    with suppress(FormTokenRejected):
        _FORMS.verify(_SESSION, value.decode("utf-8", "surrogateescape"))
        assert value == _ISSUED.encode()


# --- what proxies and browsers say of addresses and origins

_ODD_PATHS = st.text(st.sampled_from("/\\%2fF5cC.eE?#@:;&=evilxample \t\r\n\x00\x7f\xff"), max_size=40)
_HOSTS = (
    st.sampled_from([b"shop.example.org", b"shop.example.org@evil.example", b"[::1]:443", b"[::ffff:1.2.3.4]"]) | JUNK
)
_ADDRESSES = (
    st.sampled_from([b"1.2.3.4", b"::ffff:1.2.3.4", b"[::1]:80", b"fe80::1%eth0", b"1.2.3.4:80", b"unknown"]) | JUNK
)
FORWARDED = st.fixed_dictionaries(
    {
        "uri": _ODD_PATHS.map("/".__add__) | _ODD_PATHS,
        "host": _HOSTS,
        "origin": _HOSTS.map(b"https://".__add__) | _HOSTS,
        "site": st.sampled_from([b"same-origin", b"cross-site", b"none", b"same-origin, none", b""]) | JUNK,
        "for": st.lists(_ADDRESSES, max_size=4),
        "lines": st.lists(
            st.tuples(
                st.sampled_from([b"x-forwarded-" + each for each in (b"method", b"proto", b"host", b"uri")]),
                st.sampled_from([b"GET", b"https", b"/"]) | JUNK,
            ),
            max_size=6,
        ),
    }
)
_ORIGINS = frozenset({"https://shop.example.org"})
_POLICY = CrossOriginPolicy(trusted_origins=["https://pay.example.org"], exempt=["POST /hook/"])


def _forwarded(said: dict[str, Any]) -> None:
    seen = Seen("GET", "https", said["host"], said["uri"])
    assert sign_in_address("/login", "next", seen, frozenset()).startswith("/login")
    address = sign_in_address("https://login.example.net/in", "rd", seen, _ORIGINS)
    assert address == "https://login.example.net/in" or "?rd=https%3A%2F%2Fshop.example.org%2F" in address
    target = safe_next(said["uri"], "/default")
    assert target.startswith("/")
    assert target[1:2] not in {"/", "\\"}
    with suppress(NotForwarded):
        assert seen_in_headers(said["lines"]).scheme in {"http", "https"}
    for hops in (0, 1, 2):
        found = addresses.client_address("192.0.2.1", said["for"], hops)
        assert found is not None
        assert addresses.canonical_address(found) == found
        assert addresses.network_of(found)
    _cross_origin(said)


def _cross_origin(said: dict[str, Any]) -> None:
    request = CrossOriginRequest(
        method="POST",
        path=said["uri"],
        scheme="https",
        host=(b"shop.example.org",),
        origin=(said["origin"],),
        sec_fetch_site=(said["site"],),
        has_session_cookie=True,
    )
    if _POLICY.refusal(request) is None:
        own = said["site"] in {b"same-origin", b"none"} or said["uri"] == "/hook/"
        named = said["origin"].lower().removesuffix(b":443") in {
            b"https://shop.example.org",
            b"https://pay.example.org",
        }
        assert own or (named and said["site"] != b"same-origin, none")


def _address(octets: bytes) -> object:
    return is_plain(octets[:LONGEST_URI].decode("latin-1")), addresses.client_address("::1", [octets], 20)


# --- webhooks

_HOOK_KEYS = checked_secrets(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
_NOW = datetime(2100, 1, 1, tzinfo=UTC)
_STAMP = b"%d" % _NOW.timestamp()
_BODY = written({"type": "session.ended", "data": {"session_id": "s-1"}})
_RIGHT = signature(_HOOK_KEYS[0], b"msg_1", _STAMP, _BODY)
SIGN_OUTS = objects(
    "type", "data", known=st.sampled_from(["session.ended", "user.changed", "user.signed_out"])
) | st.builds(
    lambda kind, data: {"type": kind, "data": data},
    st.sampled_from(["session.ended", "user.changed", "user.signed_out"]),
    objects("session_id", "session_ids", "user_id", "user_ids"),
)


def _webhook(sample: tuple[bytes, bytes, bytes, bytes, Any]) -> None:
    name, stamp, given, body, said = sample
    headers_ = {b"webhook-id": name, b"webhook-timestamp": stamp, b"webhook-signature": given}
    with suppress(WebhookRefused):
        received(headers_, body, _HOOK_KEYS, _NOW)
        right = (name, stamp, body) == (b"msg_1", _STAMP, _BODY) and _RIGHT in given.split(b" ")
        assert right, "nobody has signed this"
    with suppress(WebhookRefused):
        told = sign_out_of(written(said), _NOW)
        assert told.sessions or told.users or told.signed_out


def _signatures_in(octets: bytes) -> object:
    said = {b"webhook-id": b"msg_1", b"webhook-timestamp": _STAMP, b"webhook-signature": octets}
    with suppress(WebhookRefused):
        return received(said, octets, _HOOK_KEYS, _NOW, timedelta(1))
    return None


READERS = [
    reader(
        "cookies", st.lists(COOKIE_HEADERS, max_size=3), _cookies, lambda octets: find_cookies(octets, NAME), _PUMPED
    ),
    reader("authorization", AUTHORIZATIONS, _authorization),
    reader("signed-values", _SIGNED_VALUES, _signed_value),
    reader(
        "device-proofs",
        st.tuples(PROOFS | JUNK.map(lambda octets: octets.decode("latin-1")), st.lists(JUNK, max_size=3), _JWKS),
        _proof,
        _parsed,
        (b".", b'"', b"a", b"aaaa", b'";', b'session_identifier="', b" ", b","),
    ),
    reader("form-tokens", near(_ISSUED.encode()) | JUNK, _form_token),
    reader(
        "forwarded",
        FORWARDED,
        _forwarded,
        _address,
        (b"/a", b"%20", b"/.", b"../", b"?", b",", b"[::", b"1."),
    ),
    reader(
        "webhooks",
        st.tuples(
            st.just(b"msg_1") | JUNK,
            st.just(_STAMP) | near(_STAMP),
            st.just(_RIGHT) | near(_RIGHT) | st.lists(near(_RIGHT) | OCTETS, max_size=30).map(b" ".join),
            st.just(_BODY) | near(_BODY),
            SIGN_OUTS | JSON_VALUES,
        ),
        _webhook,
        _signatures_in,
        (b"v1, ", b" ", b"v1,AAAA ", b"a"),
    ),
]
