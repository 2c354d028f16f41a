"""Sessions that should have ended, and those that should not have begun."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.servers.waiting import until

if TYPE_CHECKING:
    from tests.bypasses.conftest import Attacked
    from tests.bypasses.wire import Browser, Reply

pytestmark = pytest.mark.processes


def test_L9_CVE_2015_5143_nobody_fills_the_store_from_outside(site: Attacked) -> None:
    """CVE-2015-5963, CVE-2015-5964, CVE-2018-11386: unknown ids, sign-outs and flushes leave no row and no cookie."""
    rows = site.rows()
    for number in range(40):
        unknown = site.browser()
        unknown.token = f"{number:043d}"
        for method, path in (("GET", "/all"), ("GET", "/look/iteration"), ("POST", "/out"), ("POST", "/flush")):
            reply = unknown(method, path)
            assert reply.status == 200
            assert all("Max-Age=0" in line for line in reply.all("set-cookie"))
    assert site.rows() == rows


def test_L10_CVE_2015_3982_an_empty_key_is_nobodys(site: Attacked) -> None:
    """After a flush the key was the empty text, and everybody who sent that shared a session."""
    victim = site.signed_in()
    victim.post("/set/secret/of-the-victim")
    kept = victim.stolen()
    victim.post("/flush")
    for value in ("", '""', "None", " ", "''"):
        reply = site.wire.ask("GET", "/all", f"Cookie: {site.cookie}={value}")
        assert "of-the-victim" not in reply.text
        assert site.wire.ask("GET", "/me", f"Cookie: {site.cookie}={value}").status == 401
    assert "of-the-victim" not in kept.get("/all").text


def test_L1_CVE_2022_38054_what_was_presented_before_is_dead_afterwards(site: Attacked) -> None:
    """CVE-2023-46733, CVE-2015-8124: also when the same user signs in once more, steps up, or may do more."""
    browser = site.browser()
    browser.post("/set/basket/apple")
    for step in ("/in/ada", "/in/ada", "/step-up", "/privileges"):
        before = browser.stolen()
        browser.post(step)
        assert browser.token != before.token
        assert before.is_over(), step
        assert browser.who() == "ada"


def test_L2_CVE_2014_0482_the_next_user_of_a_browser_finds_nothing_of_the_last(site: Attacked) -> None:
    browser = site.signed_in("ada")
    browser.post("/set/secret/ada-only")
    browser.post("/in/bob")
    assert browser.who() == "bob"
    assert "ada-only" not in browser.get("/all").text


def test_L2_CVE_2014_0482_another_REMOTE_USER_is_another_session(django_site: Attacked) -> None:
    """As it was published: the web server says another name, and the session of the first user went on."""
    browser = django_site.browser()
    assert browser.get("/me", "X-Remote-User: carol").text == "carol"
    assert browser.post("/set/secret/carol-only", "X-Remote-User: carol")
    first = browser.stolen()
    assert browser.get("/me", "X-Remote-User: dave").text == "dave"
    assert "carol-only" not in browser.get("/all", "X-Remote-User: dave").text
    assert browser.token != first.token
    assert first.is_over()


def test_L7_CVE_2023_20862_a_copy_of_the_cookie_is_worthless_after_the_sign_out(site: Attacked) -> None:
    """Starlette's own middleware: in every process, from its memory too."""
    browser = site.signed_in()
    copy = browser.stolen()
    assert copy.who() == "ada"
    browser.post("/out")
    assert copy.is_over()


def test_L6_CVE_2018_1000814_an_expired_session_stays_so_whatever_the_cookie_says(flask_site: Attacked) -> None:
    """A cookie that a client keeps for longer, and a row that no sweep has taken away."""
    browser = flask_site.signed_in("late")
    past = "now() - interval '1 second'"
    flask_site.sql(f"UPDATE coatcheck_sessions SET idle_expires_at = {past} WHERE user_id = 'late'")  # noqa: S608
    assert browser.is_over()
    kept = flask_site.wire.ask("GET", "/me", f"{browser.line}; Max-Age=99999999; Expires=Fri, 31 Dec 9999 23:59:59 GMT")
    assert kept.status == 401


@pytest.mark.parametrize("end", ["/out", "/privileges", "/flush"])
def test_L8_CVE_2025_46336_a_slow_request_brings_nothing_back(site: Attacked, end: str) -> None:
    """CVE-2025-32441, starsessions #58: it has read the session, the session ends, and then it writes.

    Variants: the token is only rotated, and the session is emptied, meanwhile.
    """
    browser = site.signed_in("slow")
    copy = browser.stolen()
    name = f"hold{end[1:]}"
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(copy, "POST", f"/hold/{name}/late/write")
        until((site.folder / f"{name}.here").exists, "the slow request has read its session")
        browser.post(end)
        ended = copy.stolen()
        ended.token = copy.token
        (site.folder / f"{name}.go").touch()
        held.result()
    assert ended.is_over()
    assert browser.who() == ("slow" if end == "/privileges" else "")
    assert site.wire.ask("GET", "/all", ended.line).json() == {}


def test_L12_CVE_2023_40273_a_new_password_ends_the_other_sessions(site: Attacked) -> None:
    """CVE-2026-27575, CVE-2026-34828: and the thief's copy of this one."""
    browser, thief = site.signed_in("changer"), site.signed_in("changer")
    copy = browser.stolen()
    browser.post("/password")
    assert browser.who() == "changer"
    assert thief.is_over()
    assert copy.is_over()


def test_L14_CVE_2017_18878_nobody_ends_somebody_elses_session(starlette_site: Attacked) -> None:
    """CVE-2026-44423: by its public id, through both lists; variants with an id that is no id."""
    victim, attacker = starlette_site.signed_in("victim"), starlette_site.signed_in("attacker")
    own = victim.get("/api/session").json()["session_id"]
    for name in (own, f"{own}%00", f"{own}/..", "%2e%2e", "x" * 43):
        for path in ("/devices/", "/api/sessions/"):
            assert attacker("DELETE", path + name).status in {404, 405, 422}
    assert victim.who() == "victim"


def test_S11_CVE_2026_24894_no_request_is_answered_as_another(site: Attacked) -> None:
    """Many users, mixed over the threads, tasks and processes of a server."""
    browsers = [site.signed_in(f"user{number}") for number in range(6)]
    for number, browser in enumerate(browsers):
        browser.post(f"/set/mine/data{number}")
    wrong: list[str] = []
    start = threading.Barrier(len(browsers))

    def visit(number: int, browser: Browser) -> None:
        start.wait()
        for _ in range(15):
            replies: list[Reply] = [browser.get("/me"), browser.get("/all"), site.wire.ask("GET", "/all")]
            said = [reply.text for reply in replies]
            if said[0] != f"user{number}" or f"data{number}" not in said[1] or "data" in said[2]:
                wrong.append(repr(said))

    with ThreadPoolExecutor(len(browsers)) as pool:
        list(pool.map(visit, range(len(browsers)), browsers))
    assert wrong == []
