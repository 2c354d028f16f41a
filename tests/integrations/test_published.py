"""The published suite: the page's own site passes, and each of these breaks one promise and is found."""

from __future__ import annotations

import re
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import Token
from coatcheck.testing.integration_conformance import (
    IntegrationConformance,
    OutageConformance,
    SilentStreamConformance,
    SocketConformance,
    StreamConformance,
)
from coatcheck.web import streams
from tests.integrations.loops import StarletteSite
from tests.integrations.threads import FlaskSite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coatcheck.testing.browsers import Answer
    from tests.integrations.sites import SQLiteSite

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"
sample: dict[str, Any] = {"__name__": "page"}
code = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
exec(compile(code[0], str(PAGE), "exec", dont_inherit=True), sample)  # noqa: S102 - this is what is tested

TestThePage = sample["TestMySite"]
MySite: Any = sample["MySite"]


# --- sites that do what they should not


class Adopts(MySite):  # type: ignore[misc]
    def act(self, context: Any, session: Any, *path: str) -> Any:
        presented = context.presented()
        if path[0] == "sign-in" and presented:
            self.own.create(path[1], token=Token(presented.decode()), data={"user": path[1]})
            return {}
        return super().act(context, session, *path)


class SignsInUnderTheSameToken(MySite):  # type: ignore[misc]
    def act(self, context: Any, session: Any, *path: str) -> Any:
        return super().act(context, session, *(("set", "user", path[1]) if path[0] == "sign-in" else path))


class ForgetsToRotate(MySite):  # type: ignore[misc]
    def act(self, context: Any, session: Any, *path: str) -> Any:
        return {} if path == ("privileges",) else super().act(context, session, *path)


class OnlyTakesTheCookieBack(MySite):  # type: ignore[misc]
    def act(self, context: Any, session: Any, *path: str) -> Any:
        if path != ("sign-out",):
            return super().act(context, session, *path)
        context.presented()
        context._cookies = (b"session=; Path=/; Max-Age=0",)
        return {}


class BringsBack(MySite):  # type: ignore[misc]
    def act(self, context: Any, session: Any, *path: str) -> Any:
        answer = super().act(context, session, *path)
        if path[0] == "hold" and not self.own.get(context.presented()):
            context.start_anonymous({"late": "1"})
        return answer


class WritesEverything(MySite):  # type: ignore[misc]
    def act(self, context: Any, session: Any, *path: str) -> Any:
        before = dict(session) if path[0] == "hold" else {}
        answer = super().act(context, session, *path)
        if before:
            context.sessions.save(context.session(), before)
        return answer


class CountsVisits(MySite):  # type: ignore[misc]
    def act(self, context: Any, session: Any, *path: str) -> Any:
        if path == ("all",):
            session["visits"] = session.get("visits", 0) + 1
        return super().act(context, session, *path)


class LooksUnnoticed(MySite):  # type: ignore[misc]
    def act(self, context: Any, session: Any, *path: str) -> Any:
        answer = super().act(context, session, *path)
        context.consulted = path[0] != "look"
        return answer


class Rewrites(MySite):  # type: ignore[misc]
    """Changes headers on their way out."""

    def rewritten(self, name: str, value: str) -> str:
        raise NotImplementedError

    def browser(self) -> Any:
        browser = super().browser()
        inside = browser._server

        def server(*request: Any) -> Answer:
            answer: Answer = inside(*request)
            return answer._replace(headers=[(name, self.rewritten(name, value)) for name, value in answer.headers])

        browser._server = server
        return browser


class LetsCachesKeepCookies(Rewrites):
    def rewritten(self, name: str, value: str) -> str:
        return "public" if name == "cache-control" else value


class TakesBackFromAnotherPath(Rewrites):
    def rewritten(self, name: str, value: str) -> str:
        return value.replace("Path=/", "Path=/out") if name == "set-cookie" and "Max-Age=0" in value else value


BROKEN = [
    (Adopts, "test_T6_a_token_that_nobody_issued_is_never_adopted"),
    (SignsInUnderTheSameToken, "test_L1_the_token_changes_on_sign_in_and_the_old_one_is_dead"),
    (ForgetsToRotate, "test_L1_the_token_changes_with_what_its_user_may_do"),
    (OnlyTakesTheCookieBack, "test_L7_the_session_ends_at_the_store"),
    (BringsBack, "test_L8_a_slow_request_never_brings_a_session_back"),
    (WritesEverything, "test_S8_a_slow_request_writes_back_no_old_value"),
    (CountsVisits, "test_L9_anonymous_traffic_creates_no_rows"),
    (CountsVisits, "test_reading_writes_nothing_and_sets_no_cookie"),
    (LooksUnnoticed, "test_H1_a_look_in_any_form_varies_the_response"),
    (LetsCachesKeepCookies, "test_H2_no_cache_stores_a_response_with_the_cookie"),
    (TakesBackFromAnotherPath, "test_C10_the_cookie_is_taken_back_as_it_was_given"),
]


def _run(suite: Any, test: str, site: Any) -> None:
    method = getattr(suite(), test)
    given = {"site": site, "ended_by": "/sign-out"}
    if "browser" in signature(method).parameters:
        given["browser"] = site.browser()
    method(**{name: given[name] for name in signature(method).parameters})


@pytest.mark.parametrize(("broken", "test"), BROKEN, ids=[f"{broken.__name__}-{test[5:8]}" for broken, test in BROKEN])
def test_a_broken_promise_is_found(tmp_path: Path, broken: Callable[[Path], Any], test: str) -> None:
    site = broken(tmp_path / "site.db")
    try:
        with pytest.raises((AssertionError, KeyError)):
            _run(IntegrationConformance, test, site)
    finally:
        site.own.close()


@pytest.fixture
def streaming(tmp_path: Path) -> Iterator[SQLiteSite]:
    site = StarletteSite(tmp_path)
    yield site
    site.close()


STREAMS = [
    (StreamConformance, "test_X8_a_stream_ends_with_its_session_and_no_other"),
    (SocketConformance, "test_X8_a_socket_is_closed_with_its_session_and_no_other"),
    (SilentStreamConformance, "test_X8_a_silent_stream_ends_at_once"),
]


@pytest.mark.parametrize(("suite", "test"), STREAMS)
def test_X8_an_end_that_does_not_come_is_found(
    streaming: SQLiteSite, monkeypatch: pytest.MonkeyPatch, suite: Any, test: str
) -> None:
    """After the suite's patience, which is less here."""
    monkeypatch.setattr(streams.OpenStreams, "add", lambda *_: None)
    for module in ("_loops", "browsers"):
        monkeypatch.setattr(f"coatcheck.testing.{module}.PATIENCE", 0.2)
    with pytest.raises((AssertionError, TimeoutError)):
        _run(suite, test, streaming)


@pytest.mark.parametrize(("suite", "test"), STREAMS[:2])
def test_X8_an_end_with_anothers_session_is_found(
    streaming: SQLiteSite, monkeypatch: pytest.MonkeyPatch, suite: Any, test: str
) -> None:
    """Every stream ends whenever one does."""
    crowd: list[Any] = []
    add, end = streams.OpenStreams.add, streams.Stream.end

    def gather(self: Any, stream: Any) -> None:
        crowd.append(stream)
        add(self, stream)

    monkeypatch.setattr(streams.OpenStreams, "add", gather)
    monkeypatch.setattr(streams.Stream, "end", lambda _: [end(each) for each in crowd])
    with pytest.raises((AssertionError, ConnectionError)):
        _run(suite, test, streaming)


def test_S9_an_outage_that_signs_out_is_found(tmp_path: Path) -> None:
    site = FlaskSite(tmp_path)
    site.store.fail = lambda *_: site.sessions_.revoke_everyone()
    try:
        with pytest.raises(AssertionError):
            _run(OutageConformance, "test_S9_an_outage_is_never_a_sign_out", site)
    finally:
        site.close()
