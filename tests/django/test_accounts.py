"""Several accounts in one browser, in Django: `request.user` is the active one, and nobody reaches another's (L14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.test import RequestFactory, override_settings

from coatcheck import ConfigurationError
from coatcheck.django import Accounts
from coatcheck.django.running import running
from coatcheck.django.sessions import SessionStore
from tests.django.test_acting import KEY, id_of, logins

if TYPE_CHECKING:
    from coatcheck.testing.browsers import Answer, Browser
    from tests.django.site import DjangoSite, SiteOnValkey

WAITING = "sessionid-accounts"


@pytest.fixture(autouse=True)
def _carol(request: pytest.FixtureRequest) -> None:
    """Have a third user."""
    site = "valkey_site" if "valkey_site" in request.fixturenames else "sqlite_site"
    request.getfixturevalue(site)
    User.objects.create_user("carol", email="carol@site.example", password="secret", first_name="Carol", last_name="C")


def signed_in(site: DjangoSite, *users: str) -> Browser:
    """Return a browser in which these are signed in, the last of them active."""
    browser = site.browser()
    for user in users:
        answer = browser("POST", f"/accounts/add/{user}")
        assert (answer.status, answer.json()) == (200, {"user": user})
    return browser


def listed(browser: Browser) -> list[Any]:
    found: list[Any] = browser("GET", "/accounts").json()
    return found


def known(browser: Browser) -> list[str]:
    """Return the accounts of a browser, the active one with a star."""
    names = {id_of(name): name for name in ("ann", "bob", "carol")}
    return [f"{names[each['user_id']]}{'*' if each['active'] else ''}" for each in listed(browser)]


def place_of(browser: Browser, user: str) -> str:
    """Return by what a browser names one of its accounts."""
    place: str = next(each["session_id"] for each in listed(browser) if each["user_id"] == id_of(user))
    return place


def switched(browser: Browser, user: str) -> Answer:
    return browser("POST", f"/accounts/switch/{place_of(browser, user)}")


def user_of(browser: Browser) -> str | None:
    name: str | None = browser("GET", "/all").json().get("user")
    return name


def test_L1_a_browser_goes_from_account_to_account(sqlite_site: DjangoSite) -> None:
    """Each time both change their tokens; what was seen of them in either cookie before is worthless."""
    browser = signed_in(sqlite_site, "ann", "bob", "carol")
    assert known(browser) == ["carol*", "bob", "ann"]
    active = "carol"
    for user in ("ann", "bob", "carol", "ann"):
        before = dict(browser.cookies)
        answer = switched(browser, user)
        assert answer.json() == {"user": user}
        assert answer.all("cache-control") == ["no-store"]
        assert "Cookie" in answer.all("vary")[0]
        assert user_of(browser) == user
        thief = sqlite_site.browser()
        thief.cookies.update(before)
        assert user_of(thief) is None
        left = {"ann", "bob", "carol"} - {user, active}
        assert known(thief) == list(left), "of what was active or is, nothing is left in the old cookies"
        active = user
    assert sqlite_site.sessions() == 3
    assert sorted(known(browser)) == ["ann*", "bob", "carol"]


def test_the_list_names_them_as_the_user_model_does(sqlite_site: DjangoSite) -> None:
    browser = signed_in(sqlite_site, "carol", "ann")
    told = [(each["name"], each["email"], each["active"]) for each in listed(browser)]
    assert told == [("ann", "", True), ("Carol C", "carol@site.example", False)]
    assert browser.cookies[KEY] not in str(listed(browser))


def test_L2_each_account_has_its_own_data_and_a_visitors_moves_along_as_in_any_sign_in(
    sqlite_site: DjangoSite,
) -> None:
    browser = sqlite_site.browser()
    browser("POST", "/set/cart/1")
    with logins() as entered:
        browser("POST", "/accounts/add/ann")
        assert browser("GET", "/all").json() == {"cart": "1", "user": "ann"}
        browser("POST", "/accounts/add/bob")
        browser("POST", "/accounts/add/bob")
    assert entered == ["ann", "bob", "bob"]
    assert browser("GET", "/all").json() == {"user": "bob"}
    browser("POST", "/set/of/bob")
    switched(browser, "ann")
    assert browser("GET", "/all").json() == {"cart": "1", "user": "ann"}
    switched(browser, "bob")
    assert browser("GET", "/all").json() == {"of": "bob", "user": "bob"}
    assert sqlite_site.sessions() == 2


def test_C4_there_are_no_more_accounts_than_the_setting_says(sqlite_site: DjangoSite) -> None:
    """Nothing has changed after the one too many; one of a user who is there already takes the other's place."""
    with override_settings(COATCHECK={"most_accounts": 2}):
        browser = signed_in(sqlite_site, "ann", "bob")
        answer = browser("POST", "/accounts/add/carol")
        assert (answer.status, answer.json()["limit"], answer.all("set-cookie")) == (409, 2, [])
        for user in ("ann", "bob", "bob"):
            assert browser("POST", f"/accounts/add/{user}").status == 200
            assert (len(known(browser)), sqlite_site.sessions()) == (2, 2)
            assert known(browser)[0] == f"{user}*"
    with override_settings(COATCHECK={"most_accounts": 11}), pytest.raises(ConfigurationError, match="2 to 10"):
        running.wiring()


def test_L14_only_what_the_browser_has_the_token_of_can_be_reached(sqlite_site: DjangoSite) -> None:
    """An id, which is no secret, switches to nothing and ends nothing; nor does one in the cookie."""
    victim = signed_in(sqlite_site, "ann", "bob")
    thief = signed_in(sqlite_site, "carol")
    for place in [place_of(victim, user) for user in ("ann", "bob")]:
        for forged in (None, f"~{place}", victim.cookies[KEY], f"~{victim.cookies[KEY]}"):
            attacker = sqlite_site.browser()
            attacker.cookies.update(thief.cookies)
            if forged is not None:
                attacker.cookies[WAITING] = forged
            for verb in ("switch", "out"):
                answer = attacker("POST", f"/accounts/{verb}/{place}")
                assert (answer.status, answer.json()["reason"]) == (404, "account_unknown")
    assert (known(victim), known(thief)) == (["bob*", "ann"], ["carol*"])


def test_L7_signing_out_of_one_leaves_the_others(sqlite_site: DjangoSite) -> None:
    """Of the active one nobody is signed in then; Django's `logout` does the same."""
    browser = signed_in(sqlite_site, "ann", "bob", "carol")
    assert browser("POST", f"/accounts/out/{place_of(browser, 'ann')}").status == 200
    assert known(browser) == ["carol*", "bob"]
    assert browser("POST", f"/accounts/out/{place_of(browser, 'carol')}").status == 200
    assert (user_of(browser), known(browser)) == (None, ["bob"])
    assert switched(browser, "bob").json() == {"user": "bob"}
    browser("POST", "/accounts/add/ann")
    browser("POST", "/sign-out")
    assert (user_of(browser), known(browser)) == (None, ["bob"])
    assert sqlite_site.sessions() == 1


def test_L7_signing_out_of_all_leaves_nothing(sqlite_site: DjangoSite) -> None:
    browser = signed_in(sqlite_site, "ann", "bob", "carol")
    assert browser("POST", "/accounts/out").json() == {"ended": 3}
    assert (browser.cookies, sqlite_site.sessions()) == ({}, 0)
    assert browser("POST", "/accounts/out").json() == {"ended": 0}


def test_L11_an_account_with_another_password_is_over(sqlite_site: DjangoSite) -> None:
    """By the hash that Django keeps in each session."""
    browser = signed_in(sqlite_site, "ann", "bob")
    ann = User.objects.get(username="ann")
    ann.set_password("another one")
    ann.save()
    assert switched(browser, "ann").status == 404
    assert (user_of(browser), known(browser)) == (None, ["bob"])
    assert switched(browser, "bob").status == 200


def test_L3_waiting_is_no_use(sqlite_site: DjangoSite) -> None:
    """However often the list is looked at."""
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        browser = signed_in(sqlite_site, "ann", "bob")
        (before,) = running.sessions().list(id_of("ann"))
        assert known(browser) == ["bob*", "ann"]
        (after,) = running.sessions().list(id_of("ann"))
        assert (before.idle_expires_at, before.last_seen_at) == (after.idle_expires_at, after.last_seen_at)


def test_I4_in_an_outage_nothing_is_lost(valkey_site: SiteOnValkey) -> None:
    browser = signed_in(valkey_site, "ann", "bob")
    place, before = place_of(browser, "ann"), dict(browser.cookies)
    with valkey_site.outage():
        assert browser("POST", f"/accounts/switch/{place}").status == 503
    assert browser.cookies == before
    assert browser("POST", f"/accounts/switch/{place}").json() == {"user": "ann"}
    assert known(browser) == ["ann*", "bob"]


@pytest.mark.parametrize("served", ["wsgi"], indirect=True)
def test_in_a_transaction_all_of_it_is_committed(sqlite_site: DjangoSite) -> None:
    from django.db import connections

    connections.settings["default"]["ATOMIC_REQUESTS"] = True
    try:
        browser = signed_in(sqlite_site, "ann", "bob")
        assert switched(browser, "ann").json() == {"user": "ann"}
        assert known(browser) == ["ann*", "bob"]
        assert browser("POST", "/accounts/switch/unknown").status == 404
        assert known(browser) == ["ann*", "bob"]
        assert browser("POST", "/accounts/out").json() == {"ended": 2}
    finally:
        connections.settings["default"]["ATOMIC_REQUESTS"] = False


@pytest.mark.parametrize("served", ["wsgi"], indirect=True)
def test_which_backend_knows_a_user_must_be_said(sqlite_site: DjangoSite) -> None:
    """Where there are several, as for Django's `login`; then nothing has happened."""
    browser = signed_in(sqlite_site, "ann")
    request: Any = RequestFactory().post("/")
    request.session = SessionStore(browser.cookies[KEY])
    request.session.seen_in(request.META)
    names = ["django.contrib.auth.backends.ModelBackend", "django.contrib.auth.backends.RemoteUserBackend"]
    bob = User.objects.get(username="bob")
    with override_settings(AUTHENTICATION_BACKENDS=names):
        with pytest.raises(ConfigurationError, match="AUTHENTICATION_BACKENDS"):
            Accounts(request).add(bob)
        assert sqlite_site.sessions() == 1
        Accounts(request).add(bob, backend=names[1])
    assert request.session["_auth_user_backend"] == names[1]
    assert request.session[SESSION_KEY] == id_of("bob")
