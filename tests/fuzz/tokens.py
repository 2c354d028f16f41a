"""What programs present, and what stands for others' sessions: proofs, tokens, sealed secrets, status lists."""

from __future__ import annotations

import re
import zlib
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from posixpath import normpath
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from hypothesis import strategies as st

from coatcheck import ApiTokens, DPoP, Sessions, TokenPairs
from coatcheck.core import slots
from coatcheck.core.api_tokens import TokenForm
from coatcheck.core.base64url import octets_of, text_of
from coatcheck.core.dpop import nonces, proofs
from coatcheck.core.dpop.addresses import normal_path
from coatcheck.core.jose.jwts import ProofRefused
from coatcheck.core.slots import Secret, Slot
from coatcheck.core.status_lists import LARGEST, unpacked
from coatcheck.device_signatures import Signatures
from coatcheck.providers.appwrite.credentials import credential_of, is_id
from coatcheck.slot_cipher import AES256GCM
from coatcheck.status_lists import StatusListNeeded, StatusListReader, StatusReference, StatusRefused
from coatcheck.testing import ManualClock, MemoryStore
from coatcheck.web.bearer import Bearer
from tests.dbsc.device import Device
from tests.dpop.client import ORIGIN, Client
from tests.fuzz.readers import KEY, reader
from tests.fuzz.shapes import JSON_VALUES, JUNK, ODD_TEXTS, near, objects, written
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# --- DPoP proofs

_AT = 1_800_000_000
_CLIENT = Client(now=lambda: _AT)
_TOKEN = b"a-token"
_ADDRESS = f"{ORIGIN}/things"
_ASKED = proofs.Asked("GET", [_ADDRESS], _TOKEN, _CLIENT.thumbprint)
_NONCES = (b"n" * 32,)
_SETTINGS = tuple(DPoP(origins=(ORIGIN,), nonces=wanted) for wanted in (False, True))
_CLAIMS: dict[str, Any] = {
    "jti": "a-proof",
    "htm": "GET",
    "htu": _ADDRESS,
    "iat": _AT,
    "ath": text_of(sha256(_TOKEN).digest()),
    "nonce": nonces.issued(_NONCES[0], _AT),
}
_GOOD_PROOF = _CLIENT.proof("GET", _ADDRESS, claims=_CLAIMS)
_ODD_ADDRESSES = st.lists(
    st.sampled_from(
        ["https:", "HTTP:", "//", "/", "api.example", "@", ":443", "evil", "things", "..", ".", "%74", "?", "#"]
    ),
    max_size=8,
).map("".join)
_KNOWN = st.sampled_from([*_CLAIMS.values(), _ADDRESS + "?a#b", _AT - 60, _AT + 61, 1e300]) | ODD_TEXTS | _ODD_ADDRESSES


def _possession(sample: tuple[dict[str, Any], dict[str, Any], bytes]) -> None:
    header, claims, line = sample
    signed = _CLIENT.proof("GET", _ADDRESS, header=header, claims={**_CLAIMS, **claims}).encode()
    for settings in _SETTINGS:
        assert _checked(_GOOD_PROOF.encode(), settings)
        assert not _checked(line, settings), "nobody has signed it"
        if _checked(signed, settings):
            _is_for_this_request({**_CLAIMS, **claims}, settings)
            assert header.get("typ", "dpop+jwt") == "dpop+jwt"
            assert "crit" not in {name for name, value in header.items() if value is not None}


def _checked(line: bytes, settings: DPoP) -> proofs.Proof | None:
    with suppress(ProofRefused):
        proof = proofs.checked([line], _ASKED, settings, Signatures(), secrets=_NONCES, now=_AT)
        assert proof.thumbprint == _CLIENT.thumbprint
        assert len(proof.used) == 32
        return proof
    return None


def _is_for_this_request(claims: dict[str, Any], settings: DPoP) -> None:
    """Insist on what a proof that counts must say, read in another way."""
    assert claims["htm"] == "GET"
    assert claims["ath"] == _CLAIMS["ath"]
    assert isinstance(claims["jti"], str)
    parts = urlsplit(claims["htu"])
    assert (parts.scheme, parts.hostname, parts.port or 443) == ("https", "api.example", 443)
    assert "@" not in parts.netloc
    assert normpath(unquote(parts.path)) == "/things"
    if settings.nonces:
        assert claims["nonce"] == _CLAIMS["nonce"]
    else:
        assert abs(claims["iat"] - _AT) <= 60


def _proof_of(octets: bytes) -> object:
    return _checked(octets, _SETTINGS[0]), normal_path("/" + octets.decode("latin-1"))


# --- tokens that programs present


class Programs(NamedTuple):
    """A user's tokens, and who validates them."""

    tokens: ApiTokens
    pairs: TokenPairs
    api: bytes
    access: bytes
    refresh: bytes


@cache
def programs() -> Programs:
    clock = ManualClock()
    sessions = Sessions(MemoryStore(clock=clock), keys=[KEY], clock=clock)
    tokens, pairs = ApiTokens(sessions, prefix="acme"), TokenPairs(sessions, prefix="acme")
    pair = pairs.issue("ada", name="phone")
    made = (tokens.create("ada", name="CI").token, pair.access, pair.refresh)
    return Programs(tokens, pairs, *(token.reveal().encode() for token in made))


def _program(value: bytes) -> None:
    made = programs()
    for validated in (made.tokens.get(value), made.pairs.get(value), made.pairs.refresh(value)):
        assert not validated
    assert not made.tokens.revoke(value)
    assert not made.pairs.revoke(value)
    said = [(b"authorization", b"Bearer " + value)]
    token = Bearer([made.tokens, made.pairs]).judge(said, ())
    assert not hasattr(token, "scopes") or value.strip(b" \t") in {made.api, made.access}
    assert made.tokens.get(made.api)
    assert made.pairs.get(made.access)


# --- sealed slots

_SLOT, _SLOT_KEYS = Slot("session-1", "google"), (b"k" * 32,)
_SEALED = slots.sealed(_SLOT, Secret({"refresh_token": "r"}), AES256GCM(), _SLOT_KEYS[0], bytes(slots.NONCE))


def _slot(said: object) -> None:
    assert slots.opened(_SLOT, said, AES256GCM(), _SLOT_KEYS) is None
    whole = slots.opened(_SLOT, _SEALED, AES256GCM(), _SLOT_KEYS)
    assert whole
    assert slots.opened(Slot("session-2", "google"), _SEALED, AES256GCM(), _SLOT_KEYS) is None
    assert "refresh" not in repr(whole)


def _opened_slot(octets: bytes) -> object:
    return slots.opened(_SLOT, octets.decode("latin-1"), AES256GCM(), _SLOT_KEYS)


# --- status lists

_URI = "https://example.com/statuslists/1"
_NOW = datetime.fromtimestamp(_AT, UTC)
_ISSUER = Device()
_ISSUERS_KEY = {**_ISSUER.jwk, "kid": "one", "alg": "ES256"}
_PACKED = text_of(zlib.compress(b"\xb9\xa3"))
_LISTS = objects("bits", "lst", known=st.sampled_from([1, 2, 8, True, 8.0, _PACKED, _PACKED[:-2]]))
_LIST_CLAIMS = objects("sub", "iat", "exp", "ttl", "nbf", known=st.sampled_from([_URI, _AT, _AT - 1, _AT + 60, 0]))
_REFERENCES = objects("uri", "idx", known=st.sampled_from([_URI, 0, 15, 16, -1, 2**70, True]))


def _status_list(sample: tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], bytes]) -> None:
    header, claims, listed, reference, junk = sample
    statuses = {"bits": 1, "lst": _PACKED, **listed}
    _unpacked(statuses)
    said = {"sub": _URI, "iat": _AT, "exp": _AT + 300, "ttl": 60, "status_list": statuses, **claims}
    token = _ISSUER.proof({"typ": "statuslist+jwt", "kid": "one", **header}, said)
    reader_ = StatusListReader([_URI], [_ISSUERS_KEY])
    with suppress(StatusRefused):
        reader_.add(_URI, junk.decode("utf-8", "surrogateescape"), _NOW)
        raise AssertionError("nobody has signed it")
    with suppress(StatusRefused):
        reader_.add(_URI, token, _NOW)
        assert said["sub"] == _URI
        assert said["exp"] is None or said["exp"] > _AT
        assert said["ttl"] is None or said["ttl"] > 0
    whole = {"status": {"status_list": {"uri": _URI, "idx": 0, **reference}}}
    with suppress(StatusRefused, StatusListNeeded):
        assert 0 <= reader_.status(whole, _NOW) < 256
        assert reader_.status(whole, _NOW) == reader_.status({"status": StatusReference(**_named(whole)).claim}, _NOW)


def _named(whole: dict[str, Any]) -> dict[str, Any]:
    found = whole["status"]["status_list"]
    return {"uri": found["uri"], "idx": found["idx"]}


def _unpacked(claim: dict[str, Any]) -> None:
    with suppress(StatusRefused):
        read = unpacked(claim)
        plain = zlib.decompress(octets_of(claim["lst"]) or b"")
        assert 0 < len(plain) <= LARGEST
        assert len(read) * read.bits == len(plain) * 8
        assert bytes(read._octets) == plain


def _list_of(octets: bytes) -> object:
    text = octets.decode("latin-1")
    with suppress(StatusRefused):
        unpacked({"bits": 1, "lst": text})
    with suppress(StatusRefused):
        StatusListReader([_URI], [_ISSUERS_KEY]).add(_URI, text, _NOW)
    return text


# --- what clients of Appwrite present

_APPWRITE = text_of(b'{"id": "ada", "secret": "0123456789abcdef"}').encode()
_PLAIN = re.compile(r"[A-Za-z0-9+/=._-]+")


def _appwrites_jwt(claims: Any) -> bytes:
    return ".".join([text_of(b"{}"), text_of(written(claims)), text_of(b"signature")]).encode()


def _appwrite(value: bytes) -> None:
    found = credential_of(value)
    if found is None:
        return
    assert found.header in {"X-Appwrite-Session", "X-Appwrite-JWT"}
    assert _PLAIN.fullmatch(found.value), "it becomes a header"
    assert not found.is_jwt or is_id(found.session_id)
    assert found.ends_at is None or found.ends_at.tzinfo is UTC


_APPWRITE_CLAIMS = objects(
    "sessionId", "exp", "userId", known=st.sampled_from(["s-1", "current", "a/b", _AT, 1e300, -1])
)


@contextmanager
def _ready(_: Path) -> Iterator[Callable[[Any], None]]:
    programs()
    yield _program


_FORM = TokenForm("acme")

TOKENS = [
    reader(
        "dpop-proofs",
        st.tuples(
            objects("typ", "alg", "jwk", "crit", "jku", known=ODD_TEXTS),
            objects(*_CLAIMS, known=_KNOWN),
            near(_GOOD_PROOF.encode()) | JUNK,
        ),
        _possession,
        _proof_of,
        (b".", b"a", b"AAAA.", b"/..", b"/.", b"%2e", b"%", b"/a/../"),
    ),
    Target(
        "programs",
        st.deferred(
            lambda: st.one_of(*(near(getattr(programs(), kind)) for kind in ("api", "access", "refresh")), JUNK)
        ),
        _ready,
        lambda octets: _FORM.secret_in(b"acme_" + octets),
        (b"a", b"_", b"acme_"),
    ),
    reader(
        "sealed-slots",
        near(_SEALED.encode()).map(lambda octets: octets.decode("latin-1")) | JSON_VALUES,
        _slot,
        _opened_slot,
        (b"A", b"AQ", b"-_", b"="),
    ),
    reader(
        "status-lists",
        st.tuples(
            objects("typ", "kid", "alg", "crit", "jwk", known=ODD_TEXTS), _LIST_CLAIMS, _LISTS, _REFERENCES, JUNK
        ),
        _status_list,
        _list_of,
        (b".", b"A", b"e30.", b"W1tb"),
    ),
    reader(
        "appwrite",
        near(_APPWRITE) | near(_appwrites_jwt({"sessionId": "s-1"})) | _APPWRITE_CLAIMS.map(_appwrites_jwt) | JUNK,
        _appwrite,
        credential_of,
        (b"a", b"%41", b".", b"a.", b"=", b"%"),
    ),
]
