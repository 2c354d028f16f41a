"""Tokens that nobody was given: paths, fixed ids, hashes from a stolen dump, payloads, other spellings."""

from __future__ import annotations

import base64
import json
import marshal
import pickle
import secrets
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.bypasses.conftest import Attacked

pytestmark = pytest.mark.processes

TRAVERSALS = [
    *("../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "a\x00b"),
    *("sess_../../x", "file:///etc/passwd", "' OR 1=1 --", "1; DROP TABLE coatcheck_sessions", "*", "s:*", "-1"),
    *("\xe2\x84\xaa" * 43, "\xff" * 43, "A" * 8000, "", '""', "null", "undefined", "{}", "[object Object]"),
]


def test_T7_CVE_2011_0698_no_session_id_is_a_path_or_a_query(site: Attacked) -> None:
    """CVE-2008-0252, CVE-2025-61686, GO-2024-2730: whatever the cookie says, nobody is signed in and no row made."""
    rows = site.rows()
    for value in TRAVERSALS:
        reply = site.wire.ask("GET", "/me", f"Cookie: {site.cookie}={value}")
        assert reply.status in {400, 401}, value  # 400 is the server's own answer to octets that no header may have
        assert reply.all("set-cookie") == [] or "Max-Age=0" in reply.all("set-cookie")[0]
    assert site.rows() == rows


def test_T6_CVE_2018_1000519_a_planted_id_is_never_adopted(site: Attacked) -> None:
    """CVE-2024-38513, CVE-2022-25896, CVE-2018-11385: whoever signs in with a planted id gets another one.

    Variants: an id that the server has issued to the attacker, anonymous and signed in.
    """
    attacker = site.browser()
    attacker.post("/set/a/b")
    issued_anonymous = attacker.token
    issued_signed_in = site.signed_in("mallory").token
    made_up = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    for planted in (made_up, "x" * 43, issued_anonymous, issued_signed_in):
        victim = site.browser()
        victim.token = planted
        victim.post("/in/ada")
        assert victim.token != planted
        thief = site.browser()
        thief.token = planted
        assert thief.is_over(), "the planted id is worth nothing any more"
        assert victim.who() == "ada"


def test_T5_CVE_2019_16782_a_stolen_database_signs_nobody_in(site: Attacked) -> None:
    """CVE-2019-25025, CVE-2026-53603: no token is in the database, and nothing in it works as one, however spelled."""
    owner = site.signed_in()
    rows = site.dump()
    text = repr(rows)
    for part in owner.token.split("."):
        assert part not in text
        assert repr(part.encode())[2:-1] not in text
    thief = site.browser()
    for value in {value for row in rows[-20:] for value in row if isinstance(value, (str, bytes, memoryview))}:
        for spelled in _spellings(value):
            thief.token = spelled
            assert site.wire.ask("GET", "/me", thief.line).status in {400, 401}


def _spellings(value: Any) -> list[str]:
    octets = value.encode() if isinstance(value, str) else bytes(value)
    plain = [base64.urlsafe_b64encode(octets), base64.urlsafe_b64encode(octets).rstrip(b"="), base64.b64encode(octets)]
    return [each.decode("latin-1") for each in (octets, octets.hex().encode(), *plain) if b"\n" not in each]


class _Runs:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def _payloads(path: str) -> list[bytes]:
    data = {"user_id": "ada", "_auth_user_id": "1"}
    return [
        pickle.dumps(_Runs(path)),
        pickle.dumps(_Runs(path), protocol=0),
        marshal.dumps(data),
        json.dumps(data).encode(),
        b"!!python/object/apply:os.system ['touch " + path.encode() + b"']",
    ]


def test_S2_CVE_2026_39324_what_does_not_verify_meets_no_second_decoder(site: Attacked, tmp_path: Any) -> None:
    """A cookie that cannot be verified was handed to a decoder that runs code; here it is nothing.

    Variants: behind a good token and its signature, cut off, and without the signature.
    """
    owner = site.signed_in()
    marker = tmp_path / "was-run"
    token, _, signature = owner.token.partition(".")
    for payload in _payloads(str(marker)):
        coded = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
        for value in (coded, f"{coded}.{signature}", f"{token}.{coded}", f"{coded}--{signature}", payload.hex()):
            assert site.wire.ask("GET", "/me", f"Cookie: {site.cookie}={value}").status == 401
    for value in (owner.token[:-1], owner.token + "A", owner.token + ".", "." + owner.token, owner.token.swapcase()):
        assert site.wire.ask("GET", "/me", f"Cookie: {site.cookie}={value}").status == 401
    assert not marker.exists()
    assert owner.who() == "ada"


def test_S1_CVE_2021_33026_a_pickle_in_the_database_is_never_run(site: Attacked, tmp_path: Any) -> None:
    """CVE-2013-7489, CVE-2025-24813, Flask-Session, Laravel: whoever can write into the store cannot run code.

    The database itself refuses what is no JSON object, and takes what only looks like an object of Python.
    """
    owner = site.signed_in("writer")
    owner.post("/set/a/b")
    marker = tmp_path / "was-run"
    pickled = base64.b64encode(pickle.dumps(_Runs(str(marker)))).decode()
    with pytest.raises(Exception, match=r"(?i)check|json|constraint"):
        site.sql(f"UPDATE coatcheck_sessions SET data = '{pickled}'")  # noqa: S608 - the attack
    for said in ({"py/object": "os.system"}, {"__reduce__": pickled}, {" di": {" p": pickled}}):
        owner = site.signed_in("writer")
        owner.post("/set/a/b")
        site.sql(f"UPDATE coatcheck_sessions SET data = '{json.dumps(said)}' WHERE CAST(data AS TEXT) LIKE '%\"a\"%'")  # noqa: S608
        assert owner.get("/all").status == 200
    assert not marker.exists()


def test_C12_CVE_2022_46170_a_token_counts_under_its_own_name_only(site: Attacked) -> None:
    """And in no other place (rule T8): not as another cookie, in the query, in the body or another header."""
    owner = site.signed_in()
    token = owner.token
    for name in ("__Host-admin", "admin", "session", f"{site.cookie}-pending", f"{site.cookie}-b", f"{site.cookie}x"):
        assert site.wire.ask("GET", "/me", f"Cookie: {name}={token}").status == 401
    assert site.wire.ask("GET", f"/me?{site.cookie}={token}&token={token}").status == 401
    for line in (f"X-Session: {token}", f"Authorization: Basic {token}", f"Cookie2: {site.cookie}={token}"):
        assert site.wire.ask("GET", "/me", line).status == 401
    assert owner.who() == "ada"


def test_T10_CVE_2020_5224_nothing_in_a_list_of_devices_is_a_credential(site: Attacked) -> None:
    owner = site.signed_in()
    reply = owner.get("/devices")
    assert reply.status == 200
    assert owner.token.partition(".")[0] not in reply.text
    thief = site.browser()
    for value in {str(value) for each in reply.json() for value in each.values()}:
        thief.token = value
        assert site.wire.ask("GET", "/me", thief.line).status in {400, 401}
