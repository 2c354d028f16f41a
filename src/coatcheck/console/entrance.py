"""The pages on which operators sign in, and give the password once more."""

from __future__ import annotations

from typing import Final

from coatcheck.console.frame import lines
from coatcheck.console.markup import EMPTY, Markup, el, foreign

SIGN_IN: Final = "Sign in"
CONFIRM: Final = "Confirm that it is you"

WRONG: Final = "The name or the password is wrong."
WRONG_PASSWORD: Final = "The password is wrong."  # noqa: S105 - no password, but what is said of one
TOO_MANY: Final = "There were too many attempts. Try again in a quarter of an hour."
BUSY: Final = "Many are signing in at this moment. Try again in a few seconds."


def sign_in(action: str, back: str, *, name: str = "", error: str = "") -> Markup:
    """Return the main part of the page to sign in on.

    Args:
        action: Where the form goes.
        back: Where the operator wanted to go.
        name: What was typed as the name before.
        error: What was wrong with it.
    """
    return _form(
        SIGN_IN,
        "For operators only. Every attempt is noted.",
        action,
        error,
        _back(back),
        el(
            "div",
            el("label", "Name", for_="name"),
            _input("name", value=name, error=error, autocomplete="username", autocapitalize="none", spellcheck="false"),
            class_="field wrong" if error else "field",
        ),
        _password(error),
    )


def confirm(action: str, back: str, operator: str, form: Markup, *, error: str = "") -> Markup:
    """Return the main part of the page that asks an operator for the password again."""
    who = el("p", "Signed in as ", el("b", foreign(operator)), ". To end sessions, give your password once more.")
    return _form(CONFIRM, who, action, error, form, _back(back), _username(operator), _password(error))


def _form(title: str, lead: Markup | str, action: str, error: str, *fields: Markup) -> Markup:
    return el(
        "div",
        lines(
            el("h1", title),
            el("p", lead, class_="lead") if not isinstance(lead, Markup) else lead,
            el("div", el("p", error, id="error"), class_="alert", role="alert") if error else EMPTY,
            el("form", *fields, el("button", title), method="post", action=action, class_="card"),
        ),
        class_="narrow",
    )


def _back(path: str) -> Markup:
    return el("input", type="hidden", name="next", value=path)


def _username(operator: str) -> Markup:
    # By this a password manager knows whose password is wanted.
    return el(
        "input",
        class_="hidden",
        name="name",
        value=operator,
        autocomplete="username",
        tabindex="-1",
        aria_hidden="true",
        readonly=True,
    )


def _password(error: str) -> Markup:
    field = _input("password", type="password", error=error, autocomplete="current-password")
    return el("div", el("label", "Password", for_="password"), field, class_="field wrong" if error else "field")


def _input(name: str, *, error: str, **attributes: str) -> Markup:
    wrong = {"aria_invalid": "true", "aria_describedby": "error"} if error else {}
    return el("input", id=name, name=name, required=True, maxlength="256", **attributes, **wrong)
