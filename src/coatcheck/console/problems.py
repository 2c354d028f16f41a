"""The pages for what went wrong: each says what is known, and never that there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coatcheck.console.doors import NoOperator
from coatcheck.console.forms import NoForm
from coatcheck.console.frame import lines, page
from coatcheck.console.markup import el
from coatcheck.errors import DataError, FormTokenRejected, Unavailable

if TYPE_CHECKING:
    from starlette.responses import Response

    from coatcheck.console.frame import Frame
    from coatcheck.console.markup import Markup

AWAY: Final = "Nothing is known at the moment"

_AWAY: Final = (
    "The store of the sessions does not answer. So nobody can say which sessions there are, "
    "or whether what you asked for was done."
)
_OLD_FORM: Final = (
    "This form is from before you signed in, or not from this console. Nothing was done: open the page again."
)
_NO_OPERATOR: Final = "You are signed in, but not as somebody who may use the console."


ANSWERED: Final = (Unavailable, FormTokenRejected, NoForm, NoOperator, DataError)
"""The exceptions that become pages."""


def answer_to(error: Exception, frame: Frame, again: str) -> Response:
    """Return the page for a request that ended with one of `ANSWERED`.

    Args:
        error: Which.
        frame: What stands around the page.
        again: Where to ask once more, after an outage.
    """
    match error:
        case Unavailable():
            # 503: nobody can tell which sessions there are.
            way = el("a", "Try again", class_="button", href=again)
            return _problem(AWAY, _AWAY, frame, 503, {"Retry-After": str(error.retry_after)}, way=way)
        case FormTokenRejected():
            return _problem("This form is too old", _OLD_FORM, frame, 403)
        case NoOperator():
            return _problem("Not for you", _NO_OPERATOR, frame, 403)
        case NoForm():
            return not_possible("the form cannot be read", frame)
        case _:
            return not_possible(str(error), frame)


def cross_origin(frame: Frame) -> Response:
    """Return the answer to a request that another site's page has made (rule X1)."""
    return _problem("Refused", "Another site has sent this request. Nothing was done.", frame, 403)


def not_possible(reason: str, frame: Frame) -> Response:
    """Return the answer to a request that cannot be."""
    return _problem("This is not possible", f"{reason[:1].upper()}{reason[1:]}.", frame, 400)


def gone(frame: Frame) -> Response:
    """Return the answer where there is no such session, or no such page."""
    return _problem("Not here", "There is no such page, or the session has ended meanwhile.", frame, 404)


def _problem(
    title: str, text: str, frame: Frame, status: int, more: dict[str, str] | None = None, *, way: Markup | None = None
) -> Response:
    back = way or el("a", "Back to the sessions", class_="button quiet", href=frame.base)
    main = el("div", lines(el("h1", title), el("p", text, role="alert"), back), class_="narrow")
    return page(title, main, frame, status=status, more=more)
