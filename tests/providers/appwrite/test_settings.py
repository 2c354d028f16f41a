"""Settings: what is refused at once, and what the others mean."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from coatcheck import ConfigurationError, CookieSettings, ProviderSessions, Session, Unavailable
from coatcheck.providers.appwrite import Appwrite, AsyncAppwrite
from coatcheck.providers.base import HTTPSettings
from tests.servers.appwrite import PROJECT, error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.providers.appwrite.worker import Worker
    from tests.servers.appwrite import Appwrite as StandIn

CLOUD = "https://cloud.appwrite.io/v1"


@pytest.mark.parametrize("kind_of_class", [Appwrite, AsyncAppwrite])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"project": ""}, "appwrite project='' is not possible: use the id from the project's settings"),
        ({"project": "shop/../other"}, "appwrite project='shop/../other' is not possible"),
        ({"project": "shop\r\nX-Appwrite-Key: k"}, "is not possible"),
        ({"project": "x" * 37}, "up to 36 letters"),
        ({"url": "cloud.appwrite.io/v1"}, "url="),
        ({"url": "https://user:secret@cloud.appwrite.io/v1"}, "without user, query and fragment"),
        ({"cookie": "a cookie"}, "cookie name='a cookie' is not possible"),
    ],
)
def test_a_wrong_setting_is_refused_at_once(kind_of_class: Any, settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        kind_of_class(**{"url": CLOUD, "project": "shop", **settings})
    assert message in str(caught.value)
    assert "user:secret" not in str(caught.value)


@pytest.mark.parametrize("kind_of_class", [Appwrite, AsyncAppwrite])
def test_the_cookies_are_appwrites_own_or_the_applications(kind_of_class: Any) -> None:
    assert kind_of_class(CLOUD, project="shop").cookies == ("a_session_shop", "a_session_shop_legacy")
    assert kind_of_class(CLOUD, project="shop", cookie="my-session").cookies == ("my-session",)
    own = CookieSettings(name="my-session", secure=False)
    assert kind_of_class(CLOUD, project="shop", cookie=own).cookies == ("my-session",)


@pytest.mark.parametrize("kind_of_class", [Appwrite, AsyncAppwrite])
def test_answers_depend_on_the_address_and_the_project(kind_of_class: Any) -> None:
    """And on nothing that is secret: this separates copies in a shared cache."""
    conditions = {
        kind_of_class(url, project=project).conditions
        for url in (CLOUD, CLOUD + "/", "https://fra.cloud.appwrite.io/v1")
        for project in ("shop", "office")
    }
    assert len(conditions) == 4
    assert f"{CLOUD} shop" in conditions


def test_T8_bearer_tokens_can_be_left_unread(appwrite: StandIn, tmp_path: Path) -> None:
    provider = Appwrite(appwrite.url, project=PROJECT, bearer=False)
    with ProviderSessions(provider, f"sqlite:///{tmp_path}/log.db") as sessions:
        transport = sessions.transport("unused", bearer=True)
        headers = [(b"authorization", b"Bearer " + appwrite.sign_in().encode())]
        assert transport.find(headers, sessions.well_formed) == b""


def test_a_client_of_the_application_is_used_and_left_open(appwrite: StandIn, tmp_path: Path) -> None:
    with httpx2.Client(headers={"X-From": "the shop"}) as client:
        provider = Appwrite(appwrite.url, project=PROJECT, client=client)
        with ProviderSessions(provider, f"sqlite:///{tmp_path}/log.db") as sessions:
            assert isinstance(sessions.get(appwrite.sign_in()), Session)
        assert not client.is_closed
    assert {asked.headers["x-from"] for asked in appwrite.asked} == {"the shop"}


def test_S11_cookies_of_appwrites_answers_are_not_sent_with_the_next_question(appwrite: StandIn, work: Any) -> None:
    """Those of one visitor would answer for the next one."""
    worker: Worker = work()
    worker.do("sign_out", appwrite.sign_in())
    worker.session(appwrite.sign_in("eve"))
    assert not [asked for asked in appwrite.asked if "cookie" in asked.headers]


def test_N4_threads_that_miss_at_once_ask_once(appwrite: StandIn, tmp_path: Path) -> None:
    secret = appwrite.sign_in()
    many = 50
    barrier = Barrier(many)
    patient = HTTPSettings(timeout=timedelta(minutes=1))
    provider = Appwrite(appwrite.url, project=PROJECT, settings=patient)
    with ProviderSessions(provider, f"sqlite:///{tmp_path}/log.db") as sessions, ThreadPoolExecutor(many) as threads:

        def ask(_: int) -> object:
            barrier.wait()
            return sessions.get(secret)

        assert all(isinstance(answer, Session) for answer in threads.map(ask, range(many)))
    assert len(appwrite.asked) == 2


def test_health_tells_of_appwrite(appwrite: StandIn, work: Callable[..., Worker]) -> None:
    """E5: it is well until it has failed several times in a row; asking for health asks nobody."""
    worker = work()

    def status() -> str:
        health = worker.do("health")
        return str(next(part.status for part in health.parts if part.name == "provider"))

    assert status() == "ok"
    appwrite.answer = lambda _: error(503, "general_unknown")
    for _ in range(6):
        with pytest.raises(Unavailable):
            worker.get(appwrite.sign_in())
    asked = len(appwrite.asked)
    assert status() != "ok"
    assert len(appwrite.asked) == asked
