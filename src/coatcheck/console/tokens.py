"""What every form of the console carries, and where the console is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from coatcheck.console.markup import Markup, el
from coatcheck.core.form_tokens import FormTokens

if TYPE_CHECKING:
    from starlette.requests import Request

    from coatcheck.console.forms import Fields
    from coatcheck.console.operators import Operator

_FIELD: Final = "form"


def form_field(operator: Operator, about: str = "") -> Markup:
    """Return the hidden field by which a form is known to be of this operator's own page (rule X2).

    Args:
        operator: Who.
        about: What the page has shown, where the form is good for that alone.
    """
    return el("input", type="hidden", name=_FIELD, value=_tokens(operator, about).issue(operator.session))


def verify_form(operator: Operator, form: Fields, about: str = "") -> None:
    """Accept a form of this operator's own page, about what that has shown.

    Raises:
        FormTokenRejected: It is somebody else's, about something else, or older than when they last gave the password.
    """
    _tokens(operator, about).verify(operator.session, form.get(_FIELD))


def _tokens(operator: Operator, about: str) -> FormTokens:
    return FormTokens(operator.forms, deployment=f"console {about}")


def base_of(request: Request, path: str) -> str:
    """Return the console's own path as the browser has it, below whatever its routes were mounted under."""
    return quote(request.scope.get("root_path", ""), safe="/") + path
