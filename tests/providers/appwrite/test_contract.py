"""Our requests and our reading against Appwrite's own description of its API, by Prism."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from coatcheck import NotSignedIn, Unavailable
from coatcheck.providers.base import HTTPSettings
from tests.providers.appwrite.worker import Worker
from tests.servers.appwrite import signed
from tests.servers.prism import Prism, appwrite_description

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "eyJpZCI6ImFkYSIsInNlY3JldCI6ImEifQ=="
ID = "5e5ea5c16897e"
"""The id of the examples' user and session."""

PATIENT = HTTPSettings(timeout=timedelta(minutes=1))
"""Prism thinks for seconds where the machine has much to do."""

EXAMPLES: dict[str, dict[str, Any]] = {
    # By its own examples the session is another user's and has ended in 2020; and a second factor is wanted, which
    # with a JWT is our business (rule A3).
    "session": {"userId": ID, "expire": "2099-10-15T06:38:00.000+00:00"},
    "user": {"mfa": False},
}


@pytest.fixture(scope="module")
def prism() -> Iterator[Prism]:
    with Prism(appwrite_description(), examples=EXAMPLES) as prism:
        yield prism


@pytest.fixture(scope="module")
def made_up() -> Iterator[Prism]:
    with Prism(appwrite_description(), dynamic=True) as prism:
        yield prism


@pytest.fixture
def worker(prism: Prism, kind: str, tmp_path: Path) -> Iterator[Worker]:
    with Worker(kind, prism.url, str(tmp_path / "log.db"), http=PATIENT) as worker:
        yield worker


def test_E7_the_description_admits_our_requests_and_we_understand_its_examples(worker: Worker) -> None:
    """Every field that we type comes as it is described. What Prism refuses would be unavailable here: see below."""
    session = worker.session(SECRET)
    assert (session.id, session.user_id, session.ip) == (ID, ID, "127.0.0.1")
    assert session.expires_at == datetime(2099, 10, 15, 6, 38, tzinfo=UTC)
    assert session.created_at == session.authenticated_at == datetime(2020, 10, 15, 6, 38, tzinfo=UTC)
    assert (session.data["factors"], session.data["clientName"]) == (["email"], "Chrome Mobile iOS")
    user = session.user
    assert user is not None
    assert (user.name, user.email, user.email_verified) == ("John Doe", "john@appwrite.io", True)
    assert (user.labels, user.attributes["prefs"]) == (("vip",), {"theme": "pink", "timezone": "UTC"})
    assert user.created_at == user.updated_at == datetime(2020, 10, 15, 6, 38, tzinfo=UTC)
    worker.do("sign_out", SECRET)
    assert worker.get(SECRET) is NotSignedIn.UNKNOWN


def test_E7_the_description_admits_our_requests_with_a_jwt(worker: Worker) -> None:
    jwt = signed({"userId": ID, "sessionId": ID, "exp": 4_070_908_800})
    assert worker.session(jwt).expires_at == datetime(2099, 1, 1, tzinfo=UTC)
    worker.do("sign_out", jwt)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/account", {"X-Appwrite-Session": SECRET}),
        ("/account", {"X-Appwrite-JWT": "a.b.c"}),
        ("/account", {"X-Appwrite-Project": "shop"}),
        ("/account", {"X-Appwrite-Project": "shop", "Cookie": f"a_session_shop={SECRET}"}),
        ("/account", {"X-Appwrite-Project": "shop", "Authorization": f"Bearer {SECRET}"}),
        ("/v1/account", {"X-Appwrite-Project": "shop", "X-Appwrite-Session": SECRET}),
        ("/account/session", {"X-Appwrite-Project": "shop", "X-Appwrite-Session": SECRET}),
    ],
)
def test_E7_the_description_admits_no_other_requests(prism: Prism, path: str, headers: dict[str, str]) -> None:
    """Or the tests above would prove nothing."""
    answer = httpx2.get(prism.url + path, headers=headers, trust_env=False)
    assert answer.status_code in {401, 404}
    assert answer.json()["type"].startswith("https://stoplight.io/prism/errors#")


def test_N3_a_refusal_by_who_is_not_appwrite_signs_nobody_out(prism: Prism, kind: str, tmp_path: Path) -> None:
    """Prism's own 401 and 404 are not of Appwrite's types: something else stands there."""
    with (
        Worker(kind, prism.url + "/v2", str(tmp_path / "log.db"), http=PATIENT) as worker,
        pytest.raises(Unavailable, match="check project and url"),
    ):
        worker.get(SECRET)


def test_S2_what_is_within_the_description_and_means_nothing_is_unavailable(
    made_up: Prism, kind: str, tmp_path: Path
) -> None:
    """The description calls times text and no more; made-up text is no time, and no reason to sign anybody out."""
    with Worker(kind, made_up.url, str(tmp_path / "log.db"), http=PATIENT) as worker:
        for _ in range(10):
            with pytest.raises(Unavailable, match="appwrite answered what cannot be used"):
                worker.get(SECRET)


def test_the_fields_that_we_need_are_required_by_the_description() -> None:
    """None of them is one that Appwrite may leave out."""
    schemas = appwrite_description()["components"]["schemas"]
    user = {"$id", "$createdAt", "$updatedAt", "name", "registration", "status", "labels", "email", "emailVerification"}
    assert user | {"mfa", "phoneVerification", "prefs"} <= set(schemas["user"]["required"])
    session = {"$id", "$createdAt", "userId", "expire", "provider", "ip", "factors", "mfaUpdatedAt"}
    assert session <= set(schemas["session"]["required"])
