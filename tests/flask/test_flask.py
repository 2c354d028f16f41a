"""Flask at home: the verbs, the decorators, `flask.session`, and what an outage or another site's page gets."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import flask
import pytest
from flask import Flask
from flask_login import (  # type: ignore[import-untyped]
    LoginManager,
    UserMixin,
    current_user,
    login_user,
    logout_user,
)
from markupsafe import Markup

from coatcheck import ConfigurationError, Sessions
from coatcheck.flask import Coatcheck
from tests.flask.site import DEADLINE, Browser, Site, vary_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def _sets(**values: Any) -> Callable[[Any], None]:
    return lambda session: session.update(values)


# --- the verbs


def test_L1_signing_in_and_out(site: Site) -> None:
    """The token changes with each sign-in, and the one before is dead at once."""
    browser = site.browser()
    assert browser.get("/who").get_json() is None
    browser.post("/in")
    first = browser.token
    assert browser.get("/who").get_json() == "ada"
    browser.post("/in")
    assert browser.token != first
    assert not site.sessions.get(first)
    token = browser.token
    browser.post("/out")
    assert not browser.token
    assert not site.sessions.get(token)


@pytest.mark.parametrize("path", ["/private", "/private-async"])
def test_C6_nobody_gets_in_without_a_session(site: Site, path: str) -> None:
    """A page goes to the sign-in page, a program gets 401, a user gets in: in a plain view and in a coroutine."""
    browser = site.browser()
    answer = browser.get(path)
    assert (answer.status_code, answer.get_json()["reason"]) == (401, "no_token")
    page = browser.get(path, headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["Location"]) == (302, f"/login?next=%2F{path[1:]}")
    browser.post("/in")
    assert browser.get(path).get_json() == "ada"


def test_A1_a_view_for_those_who_have_just_proved_who_they_are(site: Site) -> None:
    """Activity does not count; a form that was begun in time has some more; proving it again does."""
    browser = site.browser()
    browser.post("/in")
    site.clock.advance(timedelta(minutes=4))
    assert browser.get("/fresh").status_code == 200
    site.clock.advance(timedelta(minutes=4))
    assert browser.get("/fresh").get_json()["reason"] == "authentication_too_old"
    assert browser.post("/fresh").status_code == 200
    site.clock.advance(timedelta(minutes=8))
    assert browser.post("/fresh").status_code == 401
    browser.post("/rotate")
    assert browser.get("/fresh").status_code == 200


def test_L12_ending_the_others(site: Site) -> None:
    phone, laptop = site.browser(), site.browser()
    phone.post("/in")
    laptop.post("/in")
    assert laptop.post("/others").get_json() == 1
    assert phone.get("/who").get_json() is None
    assert laptop.get("/who").get_json() == "ada"


def test_X1_another_sites_page_cannot_change_anything(site: Site) -> None:
    browser = site.browser()
    browser.post("/in")
    assert browser.post("/out", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert browser.get("/who").get_json() == "ada"


def test_S9_an_outage_is_503_and_no_sign_out(site: Site) -> None:
    browser = site.browser()
    browser.post("/in")
    token = browser.token
    site.sessions.forked()
    site.store.fail("poll", "read")
    for path in ("/who", "/private", "/"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "Set-Cookie" not in answer.headers
    assert browser.get("/public").status_code == 200
    site.store.heal()
    assert browser.token == token
    assert browser.get("/who").get_json() == "ada"


def test_X8_a_stream_ends_with_its_session(site: Site) -> None:
    """The part after the one in which the session ended is not sent."""
    browser = site.browser()
    browser.post("/in")

    def parts() -> Iterator[str]:
        yield "one"
        site.sessions.revoke(browser.token)
        for number in range(1_000_000):
            yield str(number)

    site.parts = parts()
    answer = browser.get("/stream")
    assert answer.data.startswith(b"one")
    assert not answer.data.endswith(b"999999")


# --- flask.session


def test_flask_session_keeps_what_is_put_there(site: Site) -> None:
    browser = site.browser()
    site.asks(browser, _sets(theme="dark", basket=[1, {"two": None}]))
    assert site.asks(browser, dict) == {"theme": "dark", "basket": [1, {"two": None}]}
    site.asks(browser, lambda session: session["basket"].append(2))
    site.asks(browser, lambda session: session.pop("theme"))
    assert site.asks(browser, dict) == {"basket": [1, {"two": None}, 2]}


def test_L9_a_request_that_only_reads_writes_nothing_and_sets_no_cookie(site: Site) -> None:
    browser = site.browser()
    for _ in range(2):
        site.store.calls.clear()
        site.do = dict
        assert "Set-Cookie" not in browser.get("/").headers
        assert not {"create", "save", "touch"} & set(site.store.calls)
        site.asks(browser, _sets(theme="dark"))


@pytest.mark.parametrize(
    "look",
    [
        lambda session: "theme" in session,
        len,
        bool,
        list,
        dict,
        lambda session: session.get("theme", ""),
        lambda session: session == {},
        lambda session: json.dumps(dict(session)),
    ],
    ids=["in", "len", "bool", "iteration", "dict", "get", "equality", "json"],
)
def test_H1_looking_at_it_in_any_form_varies_by_cookie(site: Site, look: Callable[[Any], Any]) -> None:
    site.do = look
    assert "cookie" in vary_of(site.browser().get("/"))
    assert vary_of(site.browser().get("/public")) == set()


def test_C10_clearing_it_takes_back_the_cookie_with_its_attributes(site: Site) -> None:
    browser = site.browser()
    site.do = _sets(theme="dark")
    given = browser.get("/").headers["Set-Cookie"]
    token = browser.token
    site.do = lambda session: session.clear()
    taken = browser.get("/").headers["Set-Cookie"]
    assert set(given.split("; ")[1:]) <= set(taken.split("; "))
    assert "Max-Age=0" in taken
    assert not site.sessions.get(token)


def test_L1_the_key_of_the_user_signs_in_under_a_new_token(site: Site) -> None:
    browser = site.browser()
    site.asks(browser, _sets(basket=[1], secret="x"))
    old = browser.token
    site.asks(browser, _sets(user_id=7))
    assert browser.token != old
    assert not site.sessions.get(old)
    assert site.asks(browser, dict) == {"basket": [1], "user_id": 7}
    token = browser.token
    site.asks(browser, lambda session: session.pop("user_id"))
    assert not site.sessions.get(token)


def test_T6_a_token_that_was_made_up_is_not_adopted(site: Site) -> None:
    browser = site.browser()
    browser.token = made_up = "A" * 43
    site.asks(browser, _sets(theme="dark"))
    assert browser.token != made_up


def _slowly(site: Site, browser: Browser, change: dict[str, Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: browser.post("/slow", json=change))
    thread.start()
    assert site.arrived.wait(DEADLINE)
    return thread


def test_S8_two_requests_at_once_both_keep_their_changes(site: Site) -> None:
    browser, twin = site.browser(), site.browser()
    site.asks(browser, _sets(start=True))
    twin.token = browser.token
    slow = _slowly(site, twin, {"one": 1})
    site.asks(browser, _sets(two=2))
    site.gate.set()
    slow.join(DEADLINE)
    assert site.asks(browser, dict) == {"start": True, "one": 1, "two": 2}


def test_L8_a_slow_request_brings_no_ended_session_back(site: Site) -> None:
    browser, twin = site.browser(), site.browser()
    site.asks(browser, _sets(user_id="ada"))
    twin.token = token = browser.token
    slow = _slowly(site, twin, {"late": 1})
    browser.post("/out")
    site.gate.set()
    slow.join(DEADLINE)
    assert not site.sessions.get(token)
    assert twin.token == token, "the late response sets no cookie"


def test_the_verbs_and_flask_session_go_together(site: Site) -> None:
    browser = site.browser()
    site.asks(browser, _sets(anonymous=1))
    browser.post("/in")
    assert site.asks(browser, dict) == {"role": "new", "later": 1}


# --- Flask-Login, commands, configuration


class _User(UserMixin):  # type: ignore[misc]
    def __init__(self, user_id: str) -> None:
        self.id = user_id


def test_L1_flask_login_works_and_gets_new_tokens(tmp_path: Path) -> None:
    """Its sign-in and sign-out are ours, with `user_key="_user_id"`."""
    sessions = Sessions(f"sqlite:///{tmp_path / 'app.db'}")
    app = Flask("login")
    Coatcheck(app, sessions, user_key="_user_id")
    manager = LoginManager(app)
    manager.user_loader(_User)

    @app.post("/in")
    def enter() -> str:
        login_user(_User("ada"))
        return ""

    @app.post("/out")
    def leave() -> str:
        logout_user()
        return ""

    @app.get("/")
    def who() -> str:
        return current_user.id if current_user.is_authenticated else "nobody"

    browser = Browser(app.test_client())
    assert browser.get("/").text == "nobody"
    browser.post("/in")
    token = browser.token
    assert browser.get("/").text == "ada"
    assert [session.id for session in sessions.list("ada")] == [getattr(sessions.get(token), "id", None)]
    browser.post("/out")
    assert browser.get("/").text == "nobody"
    assert not sessions.get(token)
    sessions.close()


def test_the_command_works_on_the_applications_sessions(tmp_path: Path) -> None:
    sessions = Sessions(f"sqlite:///{tmp_path / 'app.db'}")
    app = Flask("command")
    Coatcheck(app, sessions)
    session = sessions.create("ada").session
    runner = app.test_cli_runner()
    listed = runner.invoke(args=["coatcheck", "sessions", "list", "--json"])
    assert listed.exit_code == 0
    assert session.id in listed.output
    ended = runner.invoke(args=["coatcheck", "sessions", "revoke", session.id])
    assert ended.exit_code == 0, ended.output
    assert sessions.list("ada") == []
    sessions.close()


def test_without_sessions_it_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"Coatcheck\(app, Sessions\("):
        Coatcheck(Flask("bare"))


# --- Flask's own ways of testing, and of keeping values


def test_the_test_client_s_session_transaction(site: Site) -> None:
    """What a test puts into the session is there for the next request, and the other way round."""
    browser = site.browser()
    client: Any = browser.client
    with client.session_transaction(base_url="https://site.example") as session:
        assert not session
        session["cart"] = ["hat"]
    assert site.asks(browser, dict) == {"cart": ["hat"]}
    site.asks(browser, lambda session: session["cart"].append("coat"))
    with client.session_transaction(base_url="https://site.example") as session:
        assert session["cart"] == ["hat", "coat"]


def test_a_request_context_without_a_request(site: Site) -> None:
    with site.app.test_request_context(base_url="https://site.example"):
        assert not flask.session.modified
        flask.session["a"] = 1
        assert flask.session.modified
        flask.flash("saved", "note")
        assert flask.get_flashed_messages(with_categories=True) == [("note", "saved")]


def test_values_are_what_they_were(site: Site) -> None:
    """As in Flask's cookie: tuples, bytes, times, UUIDs and Markup; changes inside of them are seen."""
    values = {"t": (1, {"b": b"\xff"}), "m": Markup("<b>"), "u": uuid4(), "d": datetime(2026, 1, 1, tzinfo=UTC)}
    browser = site.browser()
    site.asks(browser, lambda session: session.update(values))
    found: dict[str, Any] = {}
    site.asks(browser, found.update)
    assert found == values
    assert isinstance(found["m"], Markup)
    site.asks(browser, lambda session: session["t"][1].update(more=True))
    site.asks(browser, found.update)
    assert found["t"] == (1, {"b": b"\xff", "more": True})


def test_H1_one_line_says_what_a_response_depends_on(site: Site) -> None:
    """Joined with the application's own."""

    @site.app.after_request
    def varies(response: flask.Response) -> flask.Response:
        response.vary.add("Accept-Language")
        return response

    site.do = dict
    assert site.browser().get("/").headers.getlist("Vary") == ["Accept-Language, Cookie"]
