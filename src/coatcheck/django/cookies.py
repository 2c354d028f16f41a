"""Cookies of ours in Django's responses: the session's, as Django's settings have it, and those beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings

from coatcheck.core.cookies import CookieSettings, delete_cookie

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coatcheck.core.cookies import SameSite
    from coatcheck.django.sessions import SessionStore


def cookie_settings() -> CookieSettings:
    """Return what Django's settings say of the session cookie: the cookies beside it are as well protected.

    Raises:
        ConfigurationError: Browsers would refuse such a cookie.
    """
    secure = bool(django_settings.SESSION_COOKIE_SECURE)
    return CookieSettings(
        name=django_settings.SESSION_COOKIE_NAME,
        path=django_settings.SESSION_COOKIE_PATH,
        domain=(django_settings.SESSION_COOKIE_DOMAIN or "").lstrip(".") or None,
        same_site=_same_site(django_settings.SESSION_COOKIE_SAMESITE, secure=secure),
        secure=secure,
        http_only=bool(django_settings.SESSION_COOKIE_HTTPONLY),
        persistent=not django_settings.SESSION_EXPIRE_AT_BROWSER_CLOSE,
    )


def _same_site(value: Any, *, secure: bool) -> SameSite:
    if not value:  # Django says nothing then, and browsers take it for one of these
        return "none" if secure else "lax"
    found: Any = str(value).lower()
    return found  # type: ignore[no-any-return]


def forgotten(name: str) -> bytes:
    """Return the line with which browsers forget a cookie beside the session's."""
    return delete_cookie(replace(cookie_settings(), name=name, http_only=True))


def send_session_cookie(response: Any, session: SessionStore) -> None:
    """Give the browser the session's key, as Django's middleware does when it has saved a session."""
    age = None if session.get_expire_at_browser_close() else session.get_expiry_age()
    response.set_cookie(
        django_settings.SESSION_COOKIE_NAME,
        session.session_key,
        max_age=age,
        domain=django_settings.SESSION_COOKIE_DOMAIN,
        path=django_settings.SESSION_COOKIE_PATH,
        secure=django_settings.SESSION_COOKIE_SECURE or None,
        httponly=django_settings.SESSION_COOKIE_HTTPONLY or None,
        samesite=django_settings.SESSION_COOKIE_SAMESITE,
    )


def send_lines(response: Any, lines: Iterable[bytes]) -> None:
    """Have a response bring these cookies, each a value of Set-Cookie."""
    for line in lines:
        pair, *attributes = line.decode("ascii").split("; ")
        name, _, value = pair.partition("=")
        response.cookies[name] = value
        for attribute in attributes:
            key, _, said = attribute.partition("=")
            response.cookies[name][key.lower()] = said or True
