"""Device-bound sessions in real Chromium, with keys in software: what its own code does, and no double of it.

A cookie's end is brought about by deleting it: its life is minutes.
"""

from __future__ import annotations

import shutil
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.browser.flags import FLAGS
from tests.dbsc.site import Site
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page

    Open = Callable[[str], Page]

pytestmark = pytest.mark.browser

SESSION, BOUND = "__Host-session", "__Host-session-b"
REGISTER, REFRESH = "/session/device/register", "/session/device/refresh"
_FEATURES = "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"
_FLAGS = [*FLAGS, f"--enable-features={_FEATURES}"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    if shutil.which("chromium") is None:
        missing("chromium is not installed")
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    site.stop()


@pytest.fixture(scope="module")
def launch(site: Site) -> Generator[Callable[[Path], BrowserContext]]:
    """Return what starts a browser with a profile."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    # A certificate that is trusted by its key: one whose errors are ignored would do for pages, and not for this.
    flags = [*_FLAGS, f"--ignore-certificate-errors-spki-list={site.spki}"]
    with sync_playwright() as playwright:

        def started(profile: Path) -> BrowserContext:
            context = playwright.chromium.launch_persistent_context(
                str(profile), executable_path=shutil.which("chromium"), args=flags
            )
            context.set_default_timeout(20_000)
            return context

        yield started


@pytest.fixture
def browser(launch: Callable[[Path], BrowserContext], tmp_path: Path) -> Generator[Callable[[str], BrowserContext]]:
    """Return what starts a browser with a profile of this name, which another start of the same name finds again."""
    running: list[BrowserContext] = []

    def started(name: str) -> BrowserContext:
        running.append(launch(tmp_path / name))
        return running[-1]

    yield started
    for context in running:
        context.close()


def signed_in(site: Site, context: BrowserContext) -> Page:
    """Sign in, and wait until the session belongs to the browser."""
    since = len(site.recorded.asked)
    page = context.new_page()
    page.goto(site.url("/login"))
    page.get_by_role("button").click()
    site.recorded.wait_for(REGISTER, 200, since)
    page.wait_for_url(site.url("/home"))
    return page


def shown(page: Page, url: str) -> str:
    page.goto(url)
    return page.inner_text("body")


def refreshes(site: Site, since: int, status: int = 200) -> int:
    return sum((each.path, each.status) == (REFRESH, status) for each in site.recorded.asked[since:])


def test_a_session_belongs_to_one_browser_until_it_ends(site: Site, browser: Callable[[str], BrowserContext]) -> None:
    """Registration, renewal, a restart, a thief, signing out."""
    context = browser("ada")
    page = signed_in(site, context)
    assert shown(page, site.url("/quiet")) == "ada True"

    since = len(site.recorded.asked)
    context.clear_cookies(name=BOUND)
    assert shown(page, site.url("/quiet")) == "ada True"
    assert (refreshes(site, since, 403), refreshes(site, since)) == (1, 1)

    context.close()
    context = browser("ada")
    since = len(site.recorded.asked)
    context.clear_cookies(name=BOUND)
    page = context.new_page()
    assert shown(page, site.url("/quiet")) == "ada True"
    assert refreshes(site, since) == 1

    site.let_sign_ins_be_old()
    stolen = [cookie for cookie in context.cookies() if cookie["name"] == SESSION]
    thief = browser("thief")
    thief.add_cookies(stolen)  # type: ignore[arg-type]
    theirs = thief.new_page()
    theirs.goto(site.url("/private"))
    assert theirs.url == site.url("/login?next=%2Fprivate")
    assert shown(theirs, site.url("/public")) == "device_unproven"
    assert shown(page, site.url("/quiet")) == "ada True", "a miss of somebody else's ends nothing"

    session_id = site.recorded.of(REFRESH)[-1].headers["sec-secure-session-id"]
    since = len(site.recorded.asked)
    assert page.evaluate("fetch('/sign-out', {method: 'POST'}).then(answer => answer.text())") == "signed out"
    assert shown(page, site.url("/public")) == "no_token"
    assert refreshes(site, since) == refreshes(site, since, 401) == 0, "the browser has dropped its key"
    assert asked_to_refresh(site, session_id, stolen[0]["value"]) == 401, "and the server has, too"


def asked_to_refresh(site: Site, session_id: str, token: str) -> int:
    """Ask as a browser would that has not dropped its key."""
    told = {
        "Sec-Secure-Session-Id": session_id,
        "Sec-Fetch-Site": "same-origin",
        "Cookie": f"{SESSION}={token}",
    }
    request = urllib.request.Request(site.url(REFRESH), data=b"", headers=told)  # noqa: S310 - our own site
    try:
        with urllib.request.urlopen(request, context=ssl._create_unverified_context()) as answer:  # noqa: S310, S323
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_what_is_asked_for_while_the_browser_registers_is_answered(
    site: Site, browser: Callable[[str], BrowserContext]
) -> None:
    """Requests that were sent before the second cookie was there are sent back, and come with it."""
    page = browser("ada").new_page()
    page.goto(site.url("/login"))
    statuses = page.evaluate(
        """async () => {
            await fetch('/sign-in', {method: 'POST', redirect: 'manual'});
            const statuses = [];
            for (let bound = false; !bound;) {
                const asked = [1, 2, 3, 4].map(() => fetch('/private'));
                for (const answer of await Promise.all(asked)) {
                    statuses.push(answer.status);
                    bound = (await answer.json()).bound;
                }
            }
            return statuses;
        }"""
    )
    assert set(statuses) == {200}


def test_a_link_from_another_site_arrives_signed_in(site: Site, browser: Callable[[str], BrowserContext]) -> None:
    """The first request comes without proof and gets a page without data; the second one comes with it."""
    context = browser("ada")
    page = signed_in(site, context)
    context.clear_cookies(name=BOUND)
    page.goto(site.elsewhere("/quiet?from=elsewhere"))
    since = len(site.recorded.asked)
    page.get_by_role("link").click()
    page.wait_for_url(site.url("/quiet?from=elsewhere"))
    page.get_by_text("ada True").wait_for()
    arrivals = [each for each in site.recorded.asked[since:] if each.path == "/quiet"]
    assert [each.headers["sec-fetch-site"] for each in arrivals] == ["cross-site", "same-origin"]
    assert f"{BOUND}=" not in arrivals[0].headers["cookie"]


def test_beyond_the_quota_of_signatures_the_user_signs_in_again(
    site: Site, browser: Callable[[str], BrowserContext]
) -> None:
    """The browser says that it has skipped the proof, which anybody could say: nobody is let in for it."""
    context = browser("ada")
    page = signed_in(site, context)
    for _ in range(20):
        context.clear_cookies(name=BOUND)
        since = len(site.recorded.asked)
        page.goto(site.url("/private"))
        skipped = [each for each in site.recorded.asked[since:] if "secure-session-skipped" in each.headers]
        if skipped:
            break
        assert page.url == site.url("/private")
    assert "quota_exceeded" in skipped[0].headers["secure-session-skipped"]
    assert page.url == site.url("/login?next=%2Fprivate")
    page.get_by_role("button").click()
    page.wait_for_url(site.url("/home"))
    assert "ada" in page.inner_text("body")
