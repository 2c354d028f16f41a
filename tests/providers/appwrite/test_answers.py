"""Whatever comes, from the client or from Appwrite, is a session, a refusal or nonsense, and never an error of ours."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from coatcheck import NotSignedIn, Session
from coatcheck.core.identities import Nonsense, ProviderAnswer
from coatcheck.core.identity_copies import IdentityCopies, IdentityReading
from coatcheck.providers.appwrite.answers import body_of, check_ended, identity_of
from coatcheck.providers.appwrite.credentials import Credential, credential_of
from coatcheck.providers.base import Reply
from tests.servers.appwrite import Account, Issued

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

BORN = datetime(2020, 1, 1, tzinfo=UTC)
ACCOUNT = Account("ada").body()
SESSION = Issued("session1", "ada", BORN, datetime(2100, 1, 1, tzinfo=UTC), b"").body()
CREDENTIALS = [Credential("X-Appwrite-Session", "s"), Credential("X-Appwrite-JWT", "j", "session1", BORN)]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()))
times = st.datetimes().map(datetime.isoformat) | st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
json_values: SearchStrategy[Any] = st.recursive(
    scalars | times, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)


def changed(body: dict[str, Any]) -> SearchStrategy[dict[str, Any]]:
    changes = st.dictionaries(st.sampled_from(sorted(body)), json_values, max_size=3)
    return st.builds(lambda changes: {**body, **changes}, changes)


@given(changed(ACCOUNT), changed(SESSION), st.sampled_from(CREDENTIALS))
def test_S2_any_body_is_understood_or_nonsense(
    account: dict[str, Any], session: dict[str, Any], credential: Credential
) -> None:
    """What is understood can be kept, and read again."""
    try:
        record = identity_of(credential, account, session)
    except Nonsense:
        return
    if isinstance(record, NotSignedIn):
        assert account["status"] is False or credential.is_jwt
        return
    copies = IdentityCopies(revalidate_after=300 * 10**9, max_entries=1)
    reading = IdentityReading("epoch", 1, 10**18, ProviderAnswer(record))
    copy = copies.kept(reading)
    assert copy is not None
    kept = Session(copy)
    assert (kept.id, kept.user_id) == (session["$id"], account["$id"])
    assert kept.ends_at <= datetime.fromisoformat(session["expire"])
    assert kept.user is not None
    json.dumps([kept.user.name, kept.user.email, kept.user.labels], ensure_ascii=False).encode()
    assert not {"password", "hash", "secret", "providerAccessToken", "providerRefreshToken"} & {
        *kept.data,
        *kept.user.attributes,
    }


@given(st.integers(200, 499), st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_N3_any_reply_is_a_body_a_refusal_or_nonsense(status: int, body: bytes) -> None:
    """And none is a refusal by its status alone."""
    reply = Reply(status, (), body)
    for judge, good in ((body_of, 200), (check_ended, 204)):
        said = ""
        try:
            assert judge(reply, "shop") is not None or judge is check_ended
        except Nonsense as nonsense:
            said = str(nonsense)
        assert status == good or "shop" in said


@given(st.binary() | st.text().map(str.encode))
def test_T7_any_bytes_are_a_credential_or_none(presented: bytes) -> None:
    credential = credential_of(presented)
    assert credential is None or credential.value.isascii()


@given(json_values)
def test_T7_any_payload_of_a_jwt_names_a_session_or_is_none(payload: Any) -> None:
    encoded = urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=")
    credential = credential_of(b"e30." + encoded + b".c2lnbmF0dXJl")
    assert credential is None or credential.is_jwt
