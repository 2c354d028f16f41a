"""Signing up, in and out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.demo.forms import WRONG_CREDENTIALS
from tests.demo.processes import PASSWORD

if TYPE_CHECKING:
    from httpx2 import Response

    from tests.demo.conftest import Processes

GOOD = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}


def error_of(field: str, response: Response) -> str | None:
    """Return the message that a page ties to a field, as a screen reader would find it."""
    described = re.search(rf'<input id="{field}"[^>]*aria-invalid="true"[^>]*aria-describedby="([^"]*)"', response.text)
    if described is None:
        return None
    assert f"{field}-error" in described[1].split()
    message = re.search(rf'id="{field}-error"><span class="hidden">Error: </span>([^<]*)<', response.text)
    return message[1] if message else None


def test_signing_up_signs_in(demo: Processes) -> None:
    """A new account has a session at once, and both processes know it."""
    browser = demo.browser()
    assert "Hello, Ada Lovelace" in browser.sign_up("ada@example.com").text
    assert "Hello, Ada Lovelace" in browser.get("/", on=2).text


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        pytest.param("name", "", "Enter a name.", id="no name"),
        pytest.param("name", " \t ", "Enter a name.", id="blank name"),
        pytest.param("name", "a" * 81, "more than 80", id="long name"),
        pytest.param("name", "Ada\x00", "cannot be shown", id="name with a NUL"),
        pytest.param("name", "\u202eAda", "cannot be shown", id="name that reverses the page"),
        pytest.param("email", "", "Enter an email address.", id="no address"),
        pytest.param("email", "a" * 251 + "@b.c", "more than 254", id="long address"),
        pytest.param("email", "ada", "in the form", id="address without an at"),
        pytest.param("email", "ada@lovelace@x", "in the form", id="address with two"),
        pytest.param("email", "@example.com", "in the form", id="address of nobody"),
        pytest.param("email", "a da@example.com", "in the form", id="address with a space"),
        pytest.param("email", "ada\x7f@example.com", "in the form", id="address with a control character"),
        pytest.param("password", "", "Enter a password.", id="no password"),
        pytest.param("password", "1234567", "fewer than 8", id="short password"),
        pytest.param("password", "a" * 129, "more than 128", id="long password"),
    ],
)
def test_a_wrong_field_gets_its_own_message(demo: Processes, field: str, value: str, message: str) -> None:
    """The message is tied to the field; what was typed stays, but for the password; nobody is signed in."""
    browser = demo.browser()
    response = browser.post("/sign-up", GOOD | {field: value})
    assert response.status_code == 422
    assert message in (error_of(field, response) or "")
    assert all(error_of(other, response) is None for other in GOOD if other != field)
    assert "<title>Error: " in response.text
    assert browser.cookie is None
    assert PASSWORD not in response.text


def test_everything_missing_is_told_at_once(demo: Processes) -> None:
    """An empty form is no bad request: each field gets its message, and the first one the focus."""
    response = demo.browser().post("/sign-up")
    assert response.status_code == 422
    assert all(error_of(field, response) for field in GOOD)
    assert re.findall(r'<input id="(\w+)"[^>]*autofocus', response.text) == ["name"]


def test_what_was_typed_is_shown_as_text(demo: Processes) -> None:
    """Markup in a field comes back as text."""
    response = demo.browser().post("/sign-up", GOOD | {"name": '"><script>alert(1)</script>', "email": ""})
    assert "<script" not in response.text
    assert "&lt;script&gt;" in response.text


def test_a_name_with_markup_stays_text_on_every_page(demo: Processes) -> None:
    browser = demo.browser()
    browser.sign_up("ada@example.com", name="<b>Ada</b>")
    for path in ("/", "/status"):
        assert "&lt;b&gt;Ada&lt;/b&gt;" in browser.get(path).text


@pytest.mark.parametrize("email", ["ada@example.com", "  ADA@Example.com "])
def test_an_address_has_one_account(demo: Processes, email: str) -> None:
    """The second account with an address is refused, however it is written."""
    demo.browser().sign_up("ada@example.com")
    other = demo.browser()
    response = other.post("/sign-up", GOOD | {"email": email})
    assert response.status_code == 422
    assert "already" in (error_of("email", response) or "")
    assert other.cookie is None


def test_a_form_larger_than_any_of_ours_is_refused_unread(demo: Processes) -> None:
    browser = demo.browser()
    assert browser.post("/sign-up", GOOD | {"email": "a" * 1_000_000}).status_code == 413
    assert browser.post("/sign-up", headers={"content-length": "9" * 5000}).status_code == 413
    assert browser.post("/sign-up", headers={"content-length": "-1"}).status_code == 413
    assert browser.post("/sign-up", headers={"transfer-encoding": "chunked"}).status_code == 411


def test_a_file_where_text_is_expected_is_a_bad_request(demo: Processes) -> None:
    boundary = {"content-type": "multipart/form-data; boundary=x"}
    body = b'--x\r\nContent-Disposition: form-data; name="email"; filename="a"\r\n\r\nabc\r\n--x--\r\n'
    client = demo.browser()._clients[0]
    headers = boundary | {"sec-fetch-site": "same-origin"}
    response = client.post("/sign-in", content=body, headers=headers)
    assert response.status_code == 400
    assert "<h1>Bad request</h1>" in response.text


def test_signing_in_does_not_care_for_letter_case(demo: Processes) -> None:
    demo.browser().sign_up("ada@example.com")
    assert "Hello, Ada" in demo.browser().sign_in(" ADA@example.COM", on=2).text


@pytest.mark.parametrize(
    ("email", "password"),
    [
        pytest.param("ada@example.com", "wrong", id="wrong password"),
        pytest.param("ada@example.com", "", id="no password"),
        pytest.param("ada@example.com", "a" * 10_000, id="huge password"),
        pytest.param("bob@example.com", PASSWORD, id="unknown address"),
        pytest.param("", "", id="nothing"),
        pytest.param("' OR 1=1 --", PASSWORD, id="SQL"),
        pytest.param("a" * 10_000, PASSWORD, id="huge address"),
        pytest.param("ada@example.com\x00", PASSWORD, id="NUL"),
    ],
)
def test_a_failed_sign_in_does_not_say_what_was_wrong(demo: Processes, email: str, password: str) -> None:
    """Known and unknown addresses get the same page, but for what was typed."""
    demo.browser().sign_up("ada@example.com")
    browser = demo.browser()
    response = browser.post("/sign-in", {"email": email, "password": password})
    assert response.status_code == 422
    assert error_of("email", response) == WRONG_CREDENTIALS
    assert browser.cookie is None


def test_an_unknown_address_costs_as_much_as_a_known_one(demo: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash is verified in either case, with the same parameters."""
    demo.browser().sign_up("ada@example.com")
    users: Any = demo.apps[0].state.demo.users
    verified: list[str] = []
    verify = users._verify

    def noting(hashed: str, password: str) -> bool:
        verified.append(hashed)
        return bool(verify(hashed, password))

    monkeypatch.setattr(users, "_verify", noting)
    for email in ("ada@example.com", "bob@example.com"):
        demo.browser().post("/sign-in", {"email": email, "password": "wrong"})
    known, unknown = (hashed.rsplit("$", 2)[0] for hashed in verified)
    assert known == unknown


def test_remember_me_makes_the_cookie_outlive_the_browser(demo: Processes) -> None:
    """Without it, the cookie has no end of its own; with it, it ends with the session's lifetime."""
    demo.browser().sign_up("ada@example.com")
    form = {"email": "ada@example.com", "password": PASSWORD}
    brief = demo.browser().post("/sign-in", form).headers["set-cookie"]
    assert "max-age" not in brief.lower()
    lasting = demo.browser().post("/sign-in", form | {"remember": "yes"}).headers["set-cookie"]
    assert "Max-Age=7776000" in lasting


def test_L1_signing_in_again_ends_the_session_before(demo: Processes) -> None:
    """The browser gets a new token, and the old one is dead on both processes."""
    browser = demo.browser()
    browser.sign_up("ada@example.com")
    old = browser.cookie
    browser.sign_in("ada@example.com")
    assert browser.cookie not in {old, None}
    browser.cookie = old
    assert browser.get("/").status_code == 401
    assert browser.get("/", on=2).status_code == 401


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/devices", "/devices"),
        ("/devices?x=1", "/devices?x=1"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_sign_in_leads_back_to_a_page_of_this_site_only(demo: Processes, wanted: str, reached: str) -> None:
    demo.browser().sign_up("ada@example.com")
    browser = demo.browser()
    response = browser.post("/sign-in", {"email": "ada@example.com", "password": PASSWORD, "next": wanted})
    response = browser.get(response.headers["location"])
    assert (response.status_code, response.headers["location"]) == (303, reached)
    assert browser.get("/signed-in?next=https://evil.example").headers["location"] == "/"


def test_a_stranger_is_sent_to_sign_in_and_back(demo: Processes) -> None:
    response = demo.browser().get("/devices?x=1")
    assert (response.status_code, response.headers["location"]) == (303, "/sign-in?next=%2Fdevices%3Fx%3D1")
    assert 'name="next" value="/devices?x=1"' in demo.browser().get(response.headers["location"]).text


def test_a_browser_that_keeps_no_cookie_is_told_so(demo: Processes) -> None:
    """Otherwise it would end, signed in and yet not, on the first page again."""
    browser = demo.browser()
    browser.sign_up("ada@example.com")
    browser.cookie = None
    response = browser.get("/signed-in")
    assert response.status_code == 401
    assert "Your browser kept no session cookie" in response.text


def test_L7_signing_out_ends_the_session_on_both_processes(demo: Processes) -> None:
    """The cookie is taken back, and a copy of it is worth nothing."""
    browser = demo.browser()
    browser.sign_up("ada@example.com")
    copy = browser.cookie
    response = browser.submit("/sign-out")
    assert "You are signed out." in response.text
    assert browser.cookie is None
    for process in (1, 2):
        browser.cookie = copy
        assert "This device has been signed out" in browser.get("/", on=process).text


def test_signing_out_twice_is_no_error(demo: Processes) -> None:
    browser = demo.browser()
    assert browser.submit("/sign-out").status_code == 200
    browser.cookie = "x" * 43
    assert browser.submit("/sign-out").status_code == 200
    assert browser.cookie is None


def test_L11_deleting_the_account_ends_its_sessions_everywhere(demo: Processes) -> None:
    """The trigger on the users table does it: no other call is made for the other device."""
    here, there = demo.browser(), demo.browser()
    here.sign_up("ada@example.com")
    there.sign_in("ada@example.com", on=2)
    assert "Delete the account?" in here.get("/account/delete").text
    assert "Your account is deleted" in here.submit("/account/delete").text
    assert here.cookie is None
    assert "This device has been signed out" in there.get("/", on=2).text
    assert there.post("/sign-in", {"email": "ada@example.com", "password": PASSWORD}).status_code == 422


@pytest.mark.parametrize("path", ["/sign-in", "/sign-up", "/sign-out", "/confirm", "/account/delete"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
        {"sec-fetch-site": "", "origin": "null"},
    ],
    ids=["cross-site", "the other port", "other origin", "no origin"],
)
def test_X6_a_form_of_another_site_is_refused(demo: Processes, path: str, headers: dict[str, str]) -> None:
    """Sign-in and sign-out are covered too, and nothing has happened."""
    browser = demo.browser()
    browser.sign_up("ada@example.com")
    assert browser.post(path, GOOD, headers=headers).status_code == 403
    assert "Hello, Ada" in browser.get("/").text
