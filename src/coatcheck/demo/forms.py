"""What the demo's forms accept, and what they answer otherwise: one message for each field that is wrong."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from coatcheck.demo.users import LONGEST_PASSWORD

SHORTEST_PASSWORD: Final = 8
LONGEST_NAME: Final = 80
LONGEST_EMAIL: Final = 254

Errors = dict[str, str]
"""Messages by the name of their field."""

WRONG_CREDENTIALS: Final = "The email address or the password is wrong."
WRONG_PASSWORD: Final = "The password is wrong."  # noqa: S105 - a message

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class SignUp(NamedTuple):
    """What somebody wants an account with, spaces and letter case made uniform."""

    name: str
    email: str
    password: str


def sign_up_of(name: str, email: str, password: str) -> SignUp:
    """Return a sign-up form's values as they will be kept."""
    return SignUp(" ".join(name.split()), email_of(email), password)


def email_of(text: str) -> str:
    """Return an address as accounts are found by it."""
    return text.strip().lower()


def errors_of(form: SignUp) -> Errors:
    """Return what is wrong with a sign-up; nothing if it can be tried."""
    found = {
        "name": _name_error(form.name),
        "email": _email_error(form.email),
        "password": _password_error(form.password),
    }
    return {field: message for field, message in found.items() if message is not None}


def _name_error(name: str) -> str | None:
    if not name:
        return "Enter a name."
    if len(name) > LONGEST_NAME:
        return f"The name has more than {LONGEST_NAME} characters."
    return None if name.isprintable() else "The name has characters that cannot be shown."


def _email_error(email: str) -> str | None:
    if not email:
        return "Enter an email address."
    if len(email) > LONGEST_EMAIL:
        return f"The email address has more than {LONGEST_EMAIL} characters."
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        return "Enter an email address in the form name@example.com."
    return None


def _password_error(password: str) -> str | None:
    if not password:
        return "Enter a password."
    if len(password) < SHORTEST_PASSWORD:
        return f"The password has fewer than {SHORTEST_PASSWORD} characters."
    if len(password) > LONGEST_PASSWORD:
        return f"The password has more than {LONGEST_PASSWORD} characters."
    return None
