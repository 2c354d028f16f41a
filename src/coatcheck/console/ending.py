"""The pages before and after sessions end: what will end, and what has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.console.frame import lines
from coatcheck.console.listing import COLUMNS, Listed, cells
from coatcheck.console.markup import Markup, el, foreign, joined
from coatcheck.console.wording import counted, of_users, table

if TYPE_CHECKING:
    from coatcheck.console.asked import Asked

TITLE: Final = "End sessions"
ENDED: Final = "Sessions ended"

WORD: Final = "everyone"
"""What has to be typed before all sessions end."""

FIRST: Final = 5
"""How many of them the preview shows."""

_MANY_MORE: Final = 10


class Preview(NamedTuple):
    """What would end.

    Attributes:
        listed: Which sessions, the first of them, and how many.
        users: Of how many users they are.
        form: The fields that the form needs besides.
        error: What was wrong with the form that was sent.
        changed: How many there were in the preview before, if now there are many more.
    """

    listed: Listed
    users: int
    form: Markup
    error: str = ""
    changed: int | None = None


def many_more(count: int, expected: int) -> bool:
    """Tell whether so many more sessions would end than the preview has said that it is to be shown again."""
    return count > expected + _MANY_MORE and count > expected * 2


def preview(shown: Preview) -> Markup:
    """Return the main part of the page that says what would end."""
    listed, asked = shown.listed, shown.listed.asked
    if not listed.total:
        return _nothing(listed)
    of = of_users(listed.total, shown.users)
    rest = listed.total - len(listed.sessions)
    rows = [cells(each, listed, link=False) for each in listed.sessions]
    return lines(
        _changed(shown),
        el("h1", f"You are about to end {of}"),
        el("p", *_meaning(asked), class_="lead"),
        el("div", table("The first of these sessions", COLUMNS, rows), class_="card table"),
        el("p", f"And {counted(rest, 'more session')}.", class_="muted") if rest else None,
        _confirmation(shown),
    )


def _nothing(listed: Listed) -> Markup:
    chosen = listed.asked.ids is not None
    text = (
        "You have chosen no session, or those you chose have ended already." if chosen else "No session fits any more."
    )
    back = el("a", "Back to the sessions", href=listed.base)
    return lines(el("h1", TITLE), el("div", el("h2", "Nothing to end"), el("p", text), back, class_="card empty"))


def _changed(shown: Preview) -> Markup | None:
    if shown.changed is None:
        return None
    count = shown.listed.total
    were = "was" if shown.changed == 1 else "were"
    text = (
        f"When you looked there {were} {shown.changed:,}, now there are {count:,}. Nothing has ended: look once more."
    )
    return el("div", el("p", text), class_="notice warn", role="alert")


def _meaning(asked: Asked) -> list[Markup | str]:
    """Say which sessions they are, and what ending them means."""
    found: list[Markup | str] = []
    if asked.ids is not None:
        found.append("Those that you have chosen one by one. ")
    elif asked.everyone:
        found.append(
            "All that there are" + {"users": " of users", "visitors": " of visitors"}.get(asked.who, "") + ". "
        )
    else:
        words = [text for _, text in asked.words()]
        found += ["All that are ", foreign(", ".join(words)), ". "]
    return [*found, "The next request of each is refused, on every worker. Operators stay signed in."]


def _confirmation(shown: Preview) -> Markup:
    listed, asked = shown.listed, shown.listed.asked
    fields = [*asked.fields(), ("expected", str(listed.total))]
    return el(
        "form",
        shown.form,
        *(el("input", type="hidden", name=name, value=value) for name, value in fields),
        _word(shown.error) if asked.everyone else None,
        el(
            "div",
            el("button", f"End {counted(listed.total, 'session')}", class_="danger"),
            el(
                "a", "Keep them", class_="button quiet", href=listed.base + (asked.query() if asked.ids is None else "")
            ),
            class_="actions",
        ),
        method="post",
        action=f"{listed.base}/end",
        class_="confirm",
    )


def _word(error: str) -> Markup:
    return el(
        "div",
        el("label", joined("Type ", el("b", WORD), " to confirm"), for_="word"),
        el("p", error, class_="error", id="word-error") if error else None,
        el(
            "input",
            id="word",
            name="word",
            autocomplete="off",
            autocapitalize="none",
            spellcheck="false",
            aria_invalid="true" if error else None,
            aria_describedby="word-error" if error else None,
        ),
        class_="field wrong" if error else "field",
    )


def ended(count: int, expected: int, base: str) -> Markup:
    """Return the main part of the page that says what has ended.

    Args:
        count: How many have ended.
        expected: How many the preview said.
        base: The console's own path.
    """
    verb = "has" if count == 1 else "have"
    difference = None
    if count != expected:
        why = "some had ended already" if count < expected else "others had begun meanwhile"
        difference = el("p", f"The preview said {expected:,}, but {why}.")
    return lines(
        el("h1", ENDED),
        el(
            "div",
            el("p", el("b", f"{counted(count, 'session')} {verb} ended.")),
            difference,
            el("p", "No worker accepts them any more."),
            class_="notice",
            role="status",
        ),
        el(
            "div",
            el("a", "Back to the sessions", class_="button", href=base),
            el("a", "See it in the audit trail", class_="button quiet", href=f"{base}/trail"),
            class_="actions",
        ),
    )
