"""Requests to the whole site: whatever they say, the answer is an answer, and nobody is taken for somebody else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hypothesis import strategies as st

from coatcheck.core.base64url import text_of
from coatcheck.core.webhooks import checked_secrets, signature
from tests.dbsc.device import Device, challenge_of
from tests.fuzz.readers import AUTHORIZATIONS, COOKIE_HEADERS, FORWARDED, PROOFS, SIGN_OUTS
from tests.fuzz.shapes import JSON_BODIES, JSON_VALUES, JUNK, ODD_TEXTS, Lines, forms, near, objects, written
from tests.fuzz.site import COOKIE, HOOK, SERVICE_KEY, Site, running
from tests.fuzz.target import Target
from tests.providers.sign_outs.signing import AT, CLAIMS, EVENT, ISSUER, RSA, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OWN = (b"sec-fetch-site", b"same-origin")
SERVICE = (b"authorization", f"Bearer {SERVICE_KEY}".encode())
JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
NUMBERS = st.integers(-2, 2**70) | st.floats()


def asking(name: str, samples: Any, check: Callable[[Site, Any], None]) -> Target:
    """Return a target that sends requests to a site of its own."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Callable[[Any], None]]:
        with running(folder) as site:
            yield lambda sample: check(site, sample)

    return Target(name, samples, opened)


# --- headers that say who asks


def _who(site: Site, sample: tuple[str, str, Lines]) -> None:
    """Nothing that is nearly the victim's token is theirs; and theirs is, whatever stands beside it."""
    method, path, lines = sample
    lines = [*lines, OWN]
    site.ask(method, path, lines)
    answer = site.ask("GET", "/me", [(b"cookie", f"{COOKIE}={site.token}".encode())], allowed=True)
    assert (answer.status, answer.body) == (200, b"victim-of-the-tests")


WHO = st.tuples(
    st.sampled_from(["GET", "POST", "HEAD", "DELETE", "get", "PROPFIND"]),
    st.sampled_from(["/me", "/visit", "/api/session", "/api/sessions", "/api/sign-out", "/auth/nginx"]),
    AUTHORIZATIONS | st.lists(st.tuples(st.just(b"cookie"), COOKIE_HEADERS), max_size=3),
)


# --- forwarded headers


def _forwarded(site: Site, said: dict[str, Any]) -> None:
    lines: Lines = [
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", said["host"]),
        (b"origin", said["origin"]),
        (b"sec-fetch-site", said["site"]),
        (b"accept", b"text/html"),
        *((b"x-forwarded-for", each) for each in said["for"]),
    ]
    uri = said["uri"].encode("latin-1", "replace")
    usual: Lines = [(b"x-forwarded-method", b"GET"), (b"x-forwarded-uri", uri)]
    for path in ("/auth/nginx", "/auth/forward", "/auth/optional/nginx"):
        site.ask("GET", path, [*lines, *usual])
        site.ask("GET", path, said["lines"])
    site.ask("POST", f"/auth/envoy{quote(said['uri'], safe='/?%')}", lines, host=said["host"])
    site.ask("POST", "/api/sign-out", [*lines, *said["lines"]], host=said["host"])


# --- bodies


def _bodies(site: Site, sample: tuple[str, str, bytes]) -> None:
    method, path, body = sample
    cookie = (b"cookie", f"{COOKIE}={site.token}".encode())
    site.ask(method, f"/api/{path}", [JSON, OWN], body)
    site.ask(method, f"/internal/{path}", [JSON, SERVICE], body, allowed=True)
    site.ask(method, f"/internal/{path}", [JSON], body)
    if "sign-out" not in path and "revoke" not in path:
        site.ask(method, f"/api/{path}", [JSON, OWN, cookie], body, allowed=True)
    if not site.signed_in():
        site.run(site.sign_in())


_USERS = st.sampled_from(["ada", "", "a" * 256, "a\x00b", "\ud800", "é" * 128, " "]) | st.text(max_size=6)
_NEW_SESSIONS = objects(
    "user_id", "ip", "user_agent", "data", "remember", "idle_timeout", "lifetime", "replaces", known=_USERS | NUMBERS
) | st.builds(
    lambda user, more: {"user_id": user, **more},
    _USERS,
    st.fixed_dictionaries(
        {},
        optional={
            "ip": _USERS | st.sampled_from(["::1", "1.2.3.4", "fe80::1%é"]),
            "user_agent": _USERS,
            "data": st.dictionaries(st.text(max_size=4), JSON_VALUES, max_size=3),
            "lifetime": NUMBERS | st.integers(1, 315_360_000),
            "idle_timeout": NUMBERS | st.integers(1, 315_360_000),
            "replaces": _USERS,
        },
    ),
)
_REVOCATIONS = objects("token", "user_id", "wait", known=_USERS | st.booleans())
_QUOTED = _USERS.map(lambda text: quote(text, errors="replace")) | st.just("%00")
_IDS = st.sampled_from(["%00", "..", "%2e%2e", "a%00b", "%ff", "é", "~" * 128, "a" * 129, "%ED%A0%80"]).map(
    "sessions/".__add__
)
BODIES = st.one_of(
    st.tuples(st.just("POST"), st.sampled_from(["sessions", "introspect", "rotate", "sign-out"]), JSON_BODIES),
    st.tuples(st.just("POST"), st.just("sessions"), _NEW_SESSIONS.map(written)),
    st.tuples(st.just("POST"), st.just("revoke"), _REVOCATIONS.map(written)),
    st.tuples(st.just("POST"), st.just("rotate"), objects("token", "reauthenticated", known=_USERS).map(written)),
    st.tuples(st.sampled_from(["GET", "DELETE", "PUT"]), _IDS, st.just(b"") | JSON_BODIES),
    st.tuples(
        st.just("GET"),
        st.tuples(
            st.sampled_from(["user_id", "limit"]),
            _USERS.map(lambda text: quote(text, errors="replace")) | st.just("%00"),
        )
        .map("=".join)
        .map("sessions?".__add__),
        st.just(b""),
    ),
)


# --- introspection


def _introspection(site: Site, body: bytes) -> None:
    answer = site.ask("POST", "/internal/introspect", [FORM, SERVICE], body)
    assert answer.status in {200, 400, 413}
    if answer.status == 200:
        assert answer.json() == {"active": False}
    assert site.ask("POST", "/internal/introspect", [FORM], body).status == 401


# --- form tokens, tickets, flows


def _values(site: Site, value: bytes) -> None:
    cookie = (b"cookie", f"{COOKIE}={site.token}".encode())
    state = value[:60].decode("latin-1")
    planted = (b"cookie", f"{COOKIE}-{state[:16]}=".encode("latin-1") + value)
    quoted = quote(value)
    assert site.ask("GET", f"/form?value={quoted}", [cookie]).status == 403
    assert site.ask("GET", f"/flow?value={quoted}", [planted]).status == 404
    assert (
        site.ask("GET", f"/second?value={quoted}", [(b"cookie", f"{COOKIE}-pending=".encode() + value)]).status == 401
    )


VALUES = JUNK | near(b"A" * 43) | near(b"A" * 64) | near(b"A" * 43 + b"." + b"B" * 43)


# --- accounts that wait, and refresh tokens


def _waiting(site: Site, value: bytes) -> None:
    """What waits is in a cookie of its own, and nothing that is made up gets anybody's session."""
    planted = (b"cookie", f"{COOKIE}-accounts=".encode() + value)
    own = (b"cookie", f"{COOKIE}={site.token}".encode())
    assert site.ask("GET", "/accounts", [planted]).body == b""
    assert site.ask("GET", "/accounts", [own, planted], allowed=True).body == b"victim-of-the-tests"
    assert site.ask("POST", f"/switch?{quote(value)}", [OWN, planted]).status == 404
    assert site.signed_in()


def _refreshing(site: Site, body: bytes) -> None:
    answer = site.ask("POST", "/token", [FORM], body)
    assert answer.status == 400
    assert set(answer.json()) == {"error"}
    answer = site.ask("POST", "/revoke", [FORM], body)
    assert answer.status in {200, 400}
    assert site.run(site.pairs.get(site.access)), "the grant goes on"


_REFRESH_TOKENS = near(b"ccr_" + b"A" * 43 + b"00000000") | near(b"cca_" + b"A" * 31 + b"." + b"B" * 43) | JUNK


# --- device proofs


class Bound:
    """One device's session, and the device's key: what it signs may be anything."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.device = Device()

    def begin(self) -> None:
        """Sign in, and bind the session."""
        self.token = self.site.run(self.site.own.create("owner")).token.reveal()
        session = self.site.run(self.site.own.get(self.token))
        assert session
        self.id = session.id
        offer = self.site.app.devices.offer(session) if self.site.app.devices is not None else None
        assert offer is not None
        self.offer = offer[1].decode()

    def send(self, path: str, proof: bytes, *more: tuple[bytes, bytes]) -> Any:
        cookie = (b"cookie", f"{COOKIE}={self.token}".encode())
        lines = [OWN, cookie, (b"secure-session-response", proof), *more]
        return self.site.ask("POST", f"/session/device/{path}", lines)


def _device(site: Site, sample: tuple[dict[str, Any], dict[str, Any], bytes, list[bytes]]) -> None:
    header, claims, junk, skipped = sample
    bound = Bound(site)
    bound.begin()
    changed = {name: value for name, value in header.items() if name != "alg"}
    # What its own key has signed, whatever that is, is refused or an answer; and binds nothing but its own session.
    bound.send("register", bound.device.registration(bound.offer, header=changed, claims=claims).encode())
    bound.send("register", junk)
    answer = bound.send("register", bound.device.registration(bound.offer).encode())
    assert answer.status in {200, 400}
    named = (b"sec-secure-session-id", bound.id.encode())
    challenge = challenge_of(bound.send("refresh", b"", named).header("secure-session-challenge"))
    bound.send("refresh", bound.device.refresh(challenge, header=changed, claims=claims).encode(), named)
    bound.send("refresh", junk, named, (b"sec-secure-session-id", junk))
    stolen = (b"cookie", f"{COOKIE}={bound.token}".encode())
    answer = site.ask("GET", "/me", [stolen, *((b"secure-session-skipped", line) for line in skipped)])
    assert answer.status == 401, "the session's cookie alone"


# --- webhooks, logout tokens


def _webhook(site: Site, sample: tuple[Any, bytes]) -> None:
    said, junk = sample
    stamp = b"%d" % AT
    for body in (written(said), junk):
        name = b"m-%d" % (hash(body) & 0xFFFFFFFF)
        right = signature(checked_secrets([HOOK])[0], name, stamp, body)
        for given in (right, junk):
            lines: Lines = [JSON, (b"webhook-id", name), (b"webhook-timestamp", stamp), (b"webhook-signature", given)]
            status = site.ask("POST", "/hook", lines, body).status
            assert status in ({204, 400} if given == right else {401})


def _logout(site: Site, sample: tuple[dict[str, Any], dict[str, Any], Any, bytes]) -> None:
    claims, header, whole, junk = sample
    header = {name: value for name, value in header.items() if name not in {"alg", "b64"}}
    for text in (_token(claims, header), _whole(whole)):
        body = b"logout_token=" + quote(text).encode()
        assert site.ask("POST", "/back-channel", [FORM], body).status in {200, 400}
    assert site.ask("POST", "/back-channel", [FORM], junk).status == 400
    parts = ".".join(text_of(written(part)) for part in ({"alg": "none", **header}, {**CLAIMS, **claims}))
    assert site.ask("POST", "/back-channel", [FORM], f"logout_token={parts}.".encode()).status == 400


def _token(claims: dict[str, Any], header: dict[str, Any]) -> str:
    try:
        return token(RSA, header=header, **claims)
    except Exception:  # noqa: BLE001 - PyJWT's encoder refuses some headers that others would send
        return token(RSA, **claims)


def _whole(said: Any) -> str:
    import jwt

    headers = {"typ": "logout+jwt", "kid": "one"}
    return jwt.PyJWS().encode(written(said), RSA, algorithm="RS256", headers=headers)


_SIGNED_CLAIMS = objects(*CLAIMS, "nonce", known=NUMBERS | st.sampled_from([ISSUER, "web", ["web"], {EVENT: {}}, AT]))
# No "kid": for one that nobody knows, the keys are looked up again, and in between it is 503.
_SIGNED_HEADERS = objects("typ", "jwk", "jku", "crit", "x5u", "alg", "b64")

REQUESTS = [
    asking("who-asks", WHO, _who),
    asking("gate", FORWARDED, _forwarded),
    asking("bodies", BODIES, _bodies),
    asking(
        "introspection", forms("token", "token_type_hint", "client_id", value=JUNK | near(b"A" * 43)), _introspection
    ),
    asking("tickets", VALUES, _values),
    asking("accounts", near(b"~" + b"A" * 43 + b"." + b"B" * 43) | near((b"~" + b"A" * 43) * 6) | JUNK, _waiting),
    asking(
        "refresh-tokens",
        forms("grant_type", "refresh_token", "token", "scope", value=st.just(b"refresh_token") | _REFRESH_TOKENS),
        _refreshing,
    ),
    asking(
        "devices",
        st.tuples(
            objects("typ", "jwk", "crit", "kid", known=ODD_TEXTS),
            objects("jti", "authorization", "aud", known=ODD_TEXTS),
            JUNK | PROOFS.map(str.encode),
            st.lists(JUNK, max_size=3),
        ),
        _device,
    ),
    asking("sign-out-webhook", st.tuples(SIGN_OUTS | JSON_VALUES, JUNK), _webhook),
    asking(
        "logout-tokens",
        st.tuples(_SIGNED_CLAIMS, _SIGNED_HEADERS, JSON_VALUES, forms("logout_token", value=JUNK)),
        _logout,
    ),
]
