"""Users: sign-in and password change with Django's own functions and test client, their sets, the admin, the verbs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings

import coatcheck.django as verbs
from coatcheck import AuditTrail, LimitReached, Session
from coatcheck.core.times import to_micros
from coatcheck.django.running import running
from coatcheck.django.sessions import SessionStore
from tests.django import site as sites


@pytest.fixture(autouse=True)
def _tables() -> None:
    sites.prepared()


@pytest.fixture
def ann() -> Any:
    return User.objects.get(username="ann")


def signed_in(user: Any, agent: str = "Browser/1") -> Client:
    client = Client(headers={"user-agent": agent})
    assert client.post(f"/sign-in/{user.username}").status_code == 200
    return client


def request_of(client: Client, method: str = "get", **more: Any) -> Any:
    request: Any = getattr(RequestFactory(), method)("/", **more)
    request.session = SessionStore(client.cookies["sessionid"].value)
    request.user = User.objects.get(username="ann")
    return request


def aged(client: Client, age: timedelta) -> None:
    """Have somebody signed in longer ago."""
    import sqlite3
    from contextlib import closing

    moment = to_micros(running.sessions().now() - age)
    with closing(sqlite3.connect(sites.DATABASE)) as connection, connection:
        connection.execute("UPDATE coatcheck_sessions SET authenticated_at = ?", (moment,))


def test_the_session_of_a_user_is_known_as_theirs(ann: Any) -> None:
    """By the store, for lists, limits and an end to all of them; with address and browser of the request."""
    client = Client(headers={"user-agent": "Browser/7"}, REMOTE_ADDR="192.0.2.9")
    client.post("/sign-in/ann")
    (session,) = ann.session_set.all()
    assert (session.user_id, session.ip, session.user_agent) == (str(ann.pk), "192.0.2.9", "Browser/7")
    assert client.get("/all").json() == {"user": "ann"}


def test_L2_with_names_to_carry_over_nothing_else_of_a_visitor_survives_sign_in(ann: Any) -> None:
    """Without them all does, as Django has it."""
    for allowed, kept in (([], {"cart": "1", "other": "2"}), (["cart"], {"cart": "1"})):
        with override_settings(COATCHECK={"policy": {"carry_over": allowed}}):
            client = Client()
            client.post("/set/cart/1")
            client.post("/set/other/2")
            client.post("/sign-in/ann")
            assert client.get("/all").json() == {**kept, "user": "ann"}


def test_the_key_that_a_receiver_of_user_logged_in_sees_is_the_one_that_stays(ann: Any) -> None:
    """Sites note it there, to know a user's sessions by it."""
    from django.contrib.auth.signals import user_logged_in

    seen: list[str] = []

    def note(request: Any, **_: Any) -> None:
        seen.append(request.session.session_key)

    user_logged_in.connect(note)
    try:
        for path in ("/plain", "/set/a/1"):
            client = Client()
            client.post(path)
            client.post("/sign-in/ann")
            assert client.cookies["sessionid"].value == seen.pop()
    finally:
        user_logged_in.disconnect(note)


def test_a_password_change_ends_the_other_sessions(ann: Any) -> None:
    """By the hash that Django keeps in each, and this one gets a new key."""
    here, there = signed_in(ann), signed_in(ann)
    request = request_of(here)
    before = request.session.session_key
    ann.set_password("new")
    ann.save()
    update_session_auth_hash(request, ann)
    request.session.save()
    assert request.session.session_key != before
    here.cookies["sessionid"] = request.session.session_key
    assert here.get("/all").json() == {"user": "ann"}
    assert there.get("/all").json() == {}
    assert ann.session_set.count() == 1


@pytest.mark.anyio
async def test_the_async_client_signs_in_and_out(ann: Any) -> None:
    """Natively, in the test's own loop."""
    client = AsyncClient()
    await client.aforce_login(ann)
    assert (await client.get("/a/all")).json() == {"user": "ann"}
    assert await ann.session_set.acount() == 1
    await client.alogout()
    assert await ann.session_set.acount() == 0


def test_L15_a_limit_holds_and_the_answer_says_so(ann: Any) -> None:
    """409 with what there is to choose from; or the oldest makes room."""
    with override_settings(COATCHECK={"policy": {"max_sessions": 1, "when_full": "ask"}}):
        first = signed_in(ann)
        answer = Client().post("/sign-in/ann")
        assert (answer.status_code, answer.json()["limit"], len(answer.json()["sessions"])) == (409, 1, 1)
        assert not answer.cookies
        with pytest.raises(LimitReached):
            Client().force_login(ann)
        assert first.get("/all").json() == {"user": "ann"}
    with override_settings(COATCHECK={"policy": {"max_sessions": 1}}):
        second = signed_in(ann)
        assert (first.get("/all").json(), second.get("/all").json()) == ({}, {"user": "ann"})


@pytest.mark.parametrize("every", [False, True])
def test_L8_a_session_that_has_ended_is_not_saved_even_if_nothing_was_changed(ann: Any, every: bool) -> None:
    """With SESSION_SAVE_EVERY_REQUEST Django saves it all the same, and must not hand out the cookie again."""
    with override_settings(SESSION_SAVE_EVERY_REQUEST=every):
        client = signed_in(ann)
        late = SessionStore(client.cookies["sessionid"].value)
        assert late.get("_auth_user_id")
        ann.session_set.end_all()
        with pytest.raises(UpdateError):
            late.save()


def test_L9_saving_every_request_creates_nothing_for_an_unknown_key() -> None:
    """With Django's engines it does."""
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        client = Client()
        for path in ("/plain", "/a/plain", "/all"):
            client.cookies["sessionid"] = "A" * 43
            assert client.get(path).cookies["sessionid"]["max-age"] == 0
        assert not running.sessions().list_active()


# --- an outage


MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
]


def test_S9_an_outage_is_a_503_wherever_it_is_noticed(ann: Any) -> None:
    """Here before the view, in a middleware whose exceptions reach no other: Django makes a 500 of it."""
    client = signed_in(ann)
    nowhere = {"store": {"url": "redis://127.0.0.1:1/0", "timeout": "1s"}}
    ours = ["coatcheck.django.middleware.SessionMiddleware", *MIDDLEWARE[1:]]
    for middleware, status in ((MIDDLEWARE, 500), (ours, 503)):
        with override_settings(COATCHECK=nowhere, MIDDLEWARE=middleware):
            fresh = Client(raise_request_exception=False)
            fresh.cookies = client.cookies
            answer = fresh.get("/plain")
            assert answer.status_code == status
            assert not answer.cookies
    assert answer["Retry-After"]
    assert client.get("/all").json() == {"user": "ann"}


# --- sets of sessions


def test_L14_a_user_ends_own_sessions_only(ann: Any) -> None:
    """One, the others, or all; another user's id leads nowhere."""
    bob: Any = User.objects.get(username="bob")
    phone, laptop, tablet = signed_in(ann, "Phone"), signed_in(ann, "Laptop"), signed_in(ann, "Tablet")
    named = {session.user_agent: session.id for session in ann.session_set}
    assert not bob.session_set.end(named["Phone"])
    assert ann.session_set.end(named["Phone"])
    assert [client.get("/all").json() for client in (phone, laptop)] == [{}, {"user": "ann"}]
    assert ann.session_set.end_others(request_of(laptop)) == 1
    assert [client.get("/all").json() for client in (tablet, laptop)] == [{}, {"user": "ann"}]
    assert bob.session_set.end_others(request_of(laptop)) == 0
    assert ann.session_set.end_all() == 1
    assert laptop.get("/all").json() == {}


@pytest.mark.anyio
async def test_L14_the_same_in_an_event_loop(ann: Any) -> None:
    """Each verb has its own."""
    clients = [AsyncClient() for _ in range(3)]
    for client in clients:
        await client.aforce_login(ann)
    newest = (await ann.session_set.aall())[0]
    assert await ann.session_set.aend(newest.id)
    request: Any = RequestFactory().get("/")
    request.session = SessionStore(clients[0].cookies["sessionid"].value)
    assert await ann.session_set.aend_others(request) == 1
    assert await ann.session_set.aend_all() == 1


# --- verbs and decorators


def test_L12_the_end_of_the_others_gives_this_one_a_new_key(ann: Any) -> None:
    """What one of them may have learned of it is of no use."""
    here, there = signed_in(ann), signed_in(ann)
    request = request_of(here)
    before = request.session.session_key
    assert verbs.revoke_others(request) == 1
    assert request.session.session_key != before
    assert there.get("/all").json() == {}
    assert SessionStore(before).get("_auth_user_id") is None


@verbs.session_required
def inside(request: Any) -> HttpResponse:
    return HttpResponse("inside")


@verbs.recent_auth_required(within=timedelta(minutes=10), grace=timedelta(minutes=5))
def recent(request: Any) -> HttpResponse:
    return HttpResponse("recent")


@verbs.recent_auth_required(within=timedelta(minutes=10), login_url="/again?why=old")
async def arecent(request: Any) -> HttpResponse:
    return HttpResponse("recent")


def test_a_view_for_users_answers_401_or_the_sign_in_page(ann: Any) -> None:
    """By what the client asks for; an anonymous visitor's session is not enough."""
    visitor = Client()
    visitor.post("/set/a/1")
    for client in (visitor, None):
        request = RequestFactory().get("/?x=1") if client is None else request_of(client)
        request.session = getattr(request, "session", SessionStore())
        answer = inside(request)
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    page: Any = RequestFactory().get("/deep?x=1", headers={"accept": "text/html"})
    page.session = SessionStore()
    answer = inside(page)
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/deep%3Fx%3D1")
    assert inside(request_of(signed_in(ann))).content == b"inside"


def test_A1_recent_authentication_is_no_matter_of_activity(ann: Any) -> None:
    """Ten minutes for a page, five more for the form on it, and then only signing in again helps."""
    client = signed_in(ann)
    for minutes, allowed in ((9, {"get", "post"}), (12, {"post"}), (16, set[str]())):
        aged(client, timedelta(minutes=minutes))
        passed = {method for method in ("get", "post") if recent(request_of(client, method)).status_code == 200}
        assert passed == allowed
    problem = recent(request_of(client))
    assert problem.status_code == 401
    assert b"authentication_too_old" in problem.content
    client.post("/sign-in/ann")
    assert recent(request_of(client)).status_code == 200


@pytest.mark.anyio
async def test_A1_the_same_for_a_view_that_is_a_coroutine(ann: Any) -> None:
    """It may name another page to sign in at."""
    client = AsyncClient()
    await client.aforce_login(ann)
    request: Any = RequestFactory().get("/deep", headers={"accept": "text/html"})
    request.session = SessionStore(client.cookies["sessionid"].value)
    assert (await arecent(request)).status_code == 200
    aged(Client(), timedelta(minutes=11))
    request.session = SessionStore(client.cookies["sessionid"].value)
    answer = await arecent(request)
    assert (answer.status_code, answer["Location"]) == (302, "/again?why=old&next=/deep")


@pytest.mark.anyio
async def test_a_session_used_without_await_in_an_event_loop_is_refused(ann: Any) -> None:
    """It would block the loop, and Django's own engines refuse it as well."""
    from django.core.exceptions import SynchronousOnlyOperation

    with pytest.raises(SynchronousOnlyOperation, match="methods that begin with 'a'"):
        SessionStore("x" * 43).get("a")


def test_S15_events_are_a_signal(ann: Any) -> None:
    """With no secret in them."""
    seen: list[Any] = []

    def note(event: Any, **_: Any) -> None:
        seen.append(event)

    verbs.session_event.connect(note)
    try:
        client = signed_in(ann)
        client.post("/sign-out")
    finally:
        verbs.session_event.disconnect(note)
    assert [event.kind for event in seen] == ["created", "revoked"]
    assert client.cookies["sessionid"].value == ""
    assert all(event.user_id == str(ann.pk) for event in seen)


# --- the admin


@pytest.fixture
def admin() -> Client:
    User.objects.create_superuser("root", password="secret")
    client = Client()
    assert client.login(username="root", password="secret")
    return client


PAGE = "/admin/coatcheck/sessionpage/"


def test_T10_the_admin_lists_sessions_by_their_public_ids(ann: Any, admin: Client) -> None:
    """And shows no key, to nobody."""
    client = signed_in(ann, "<Phone>")
    (session,) = ann.session_set.all()
    page = admin.get(PAGE).content.decode()
    assert session.id in page
    assert "&lt;Phone&gt;" in page
    assert client.cookies["sessionid"].value not in page
    assert session.id not in admin.get(PAGE, {"user": "no-one"}).content.decode()
    assert session.id in admin.get(PAGE, {"user": str(ann.pk)}).content.decode()


def test_L13_the_admin_ends_one_session_or_all_of_a_user(ann: Any, admin: Client) -> None:
    """At once."""
    clients = [signed_in(ann) for _ in range(3)]
    newest = ann.session_set.all()[0]
    assert admin.post(PAGE, {"session": newest.id}).status_code == 302
    assert [client.get("/all").json() for client in clients] == [{"user": "ann"}, {"user": "ann"}, {}]
    admin.post(PAGE, {"all_of": str(ann.pk)})
    assert [client.get("/all").json() for client in clients] == [{}, {}, {}]
    assert "None." not in admin.get(PAGE).content.decode()


def test_S15_the_audit_trail_says_who_ended_it_in_the_admin(ann: Any, admin: Client) -> None:
    with override_settings(COATCHECK={"policy": {"audit_keep_for": "1d"}}):
        signed_in(ann)
        signed_in(ann)
        newest = ann.session_set.all()[0]
        admin.post(PAGE, {"session": newest.id}, REMOTE_ADDR="192.0.2.7")
        admin.post(PAGE, {"all_of": str(ann.pk)}, REMOTE_ADDR="192.0.2.7")
        entries = AuditTrail(running.sessions()).entries(user_id=str(ann.pk)).entries
        root = str(User.objects.get(username="root").pk)
        assert [(entry.actor, entry.address) for entry in entries if entry.action == "revoked"] == [
            (root, "192.0.2.7"),
            (root, "192.0.2.7"),
        ]


def test_the_admin_ends_sessions_inside_of_a_transaction_that_has_written(ann: Any, admin: Client) -> None:
    """As in the tests of a site; SQLite has one writer, and would wait for itself."""
    from django.db import transaction

    client = signed_in(ann)
    with transaction.atomic():
        ann.first_name = "Ann"
        ann.save()
        (session,) = ann.session_set.all()
        assert admin.post(PAGE, {"session": session.id}).status_code == 302
        assert session.id not in admin.get(PAGE).content.decode()
    assert client.get("/all").json() == {}


def test_the_admin_page_needs_the_right_to_see_it(ann: Any) -> None:
    """And that to delete for its buttons."""
    from django.contrib.auth.models import Permission

    ann.is_staff = True
    ann.save()
    client = signed_in(ann)
    assert client.get(PAGE).status_code == 403
    ann.user_permissions.add(Permission.objects.get(codename="view_sessionpage"))
    assert client.get(PAGE).status_code == 200
    (session,) = ann.session_set.all()
    assert isinstance(session, Session)
    assert client.post(PAGE, {"session": session.id}).status_code == 403
    assert ann.session_set.count() == 1


def test_clearsessions_removes_what_has_expired(ann: Any) -> None:
    """The command that sites run every night."""
    import sqlite3
    from contextlib import closing

    from django.core.management import call_command

    signed_in(ann)
    with closing(sqlite3.connect(sites.DATABASE)) as connection, connection:
        connection.execute("UPDATE coatcheck_sessions SET idle_expires_at = 1")
    signed_in(ann)
    call_command("clearsessions")
    with closing(sqlite3.connect(sites.DATABASE)) as connection:
        assert connection.execute("SELECT count(*) FROM coatcheck_sessions").fetchall() == [(1,)]
