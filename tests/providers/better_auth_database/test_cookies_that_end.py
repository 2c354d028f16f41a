"""The Set-Cookie lines by which a client forgets Better Auth's cookies."""

from __future__ import annotations

from coatcheck.providers.better_auth import BetterAuthDatabase
from coatcheck.providers.better_auth.deletions import deletions
from tests.servers.better_auth import SECRET


def test_C5_each_cookie_that_better_auth_deletes_is_deleted_with_its_attributes() -> None:
    assert deletions(["better-auth.session_token"], domain=None) == (
        b"better-auth.session_token=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
        b"better-auth.session_data=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
        b"better-auth.dont_remember=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
    )


def test_C5_a_secure_cookie_is_deleted_as_one_and_in_its_domain() -> None:
    first, *_ = deletions(["__Secure-shop.session_token"], domain="example.com")
    assert first == (
        b"__Secure-shop.session_token=; Max-Age=0; Path=/; Domain=example.com; HttpOnly; SameSite=Lax; Secure"
    )


def test_names_follow_the_settings() -> None:
    def cookies(*, secure: bool | None) -> tuple[str, ...]:
        url = "sqlite:///auth.db"
        return BetterAuthDatabase(url, secrets=[SECRET], cookie_prefix="shop", secure_cookies=secure).cookies

    assert cookies(secure=True) == ("__Secure-shop.session_token",)
    assert cookies(secure=False) == ("shop.session_token",)
    assert cookies(secure=None) == cookies(secure=True) + cookies(secure=False)


def test_A5_what_an_answer_depends_on_is_named_and_holds_no_secret() -> None:
    url = "postgresql://me:hidden@db.internal/shop?sslmode=require&password=hidden"
    one = BetterAuthDatabase(url, secrets=[SECRET], session_table="sessions")
    other = BetterAuthDatabase(url, secrets=[SECRET])
    assert one.conditions != other.conditions
    assert "db.internal/shop" in one.conditions
    for secret in (SECRET, "hidden", "me:"):
        assert secret not in one.conditions
        assert secret not in repr(one)
