"""What stands on the page of devices, as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from coatcheck.device_page.words import relative
from coatcheck.devices import describe_device

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from coatcheck.core.session import Session

TITLE: Final = "Devices"

_LEAD: Final = "Every place where you are signed in. What you end here is over with the next request there."

NOTICES: Final = {
    "device": "The device is signed out.",
    "others": "All other devices are signed out.",
    "gone": "There is no such device in your list any more.",
}
"""What the page can be asked to say first, by the `said` in its address."""


class Content(NamedTuple):
    """What is to be shown.

    Attributes:
        sessions: The user's sessions, in their order.
        current: The public id of the one that asks.
        now: What time it is for the store.
        here: The page's own path, with that of the application it is mounted in.
        confirm: Where the user can prove again who they are; None if that was recently enough.
        said: Which of the notices to show.
    """

    sessions: Sequence[Session]
    current: str
    now: datetime
    here: str
    confirm: str | None = None
    said: str = ""


def content_html(content: Content) -> str:
    """Return the page's main part."""
    notice = NOTICES.get(content.said)
    parts = [
        f'<p class="notice" role="status">{escape(notice)}</p>' if notice else "",
        f"<h1>{TITLE}</h1>",
        f'<p class="lead">{_LEAD}</p>',
        _confirmation(content.confirm) if content.confirm else "",
        '<ul class="devices">',
        *(_device(one, content) for one in content.sessions),
        "</ul>",
        _several(content),
    ]
    return "\n".join(part for part in parts if part)


def elsewhere_html(provider: str) -> str:
    """Return the main part where only a provider knows the sessions."""
    return f"<h1>{TITLE}</h1>\n<p>{escape(provider)} keeps the list of your devices: see them there.</p>"


def _confirmation(address: str) -> str:
    return (
        '<p class="notice">You signed in a while ago. Before you sign out another device, '
        f'<a href="{escape(address)}">confirm that it is you</a>.</p>'
    )


def _device(one: Session, content: Content) -> str:
    name = escape(one.shown_as or describe_device(one.user_agent))
    seen = relative(one.last_seen_at - content.now)
    is_this = one.id == content.current
    badge = ' <span class="badge good">This device</span>' if is_this else ""
    facts = [
        ("Last seen", "now" if is_this else _time(one.last_seen_at, content.now)),
        ("Signed in", _time(one.created_at, content.now)),
        *([] if one.actor_id else [("Address", escape(one.ip or "unknown"))]),
        *([("Remembered", "yes")] if one.remember else []),
    ]
    listed = "".join(f"<div><dt>{word}</dt><dd>{value}</dd></div>" for word, value in facts)
    hint = f'<span class="hidden"> {name}, last seen {seen}</span>'
    return (
        f'<li class="card{" current" if is_this else ""}"><div><h2>{name}{badge}</h2>'
        f'<dl class="facts inline">{listed}</dl></div>'
        f"{_form(f'{content.here}/{quote(one.id)}/end', f'Sign out{hint}', 'quiet danger')}</li>"
    )


def _several(content: Content) -> str:
    alone = all(one.id == content.current for one in content.sessions)
    others = _form(f"{content.here}/others/end", "Sign out all others", "quiet danger", disabled=alone)
    everywhere = _form(f"{content.here}/all/end", "Sign out everywhere", "danger")
    return (
        '<section class="several" aria-labelledby="several"><h2 id="several">Several at once</h2>'
        f'<div class="actions">{others}{everywhere}</div></section>'
    )


def _form(action: str, label: str, look: str, *, disabled: bool = False) -> str:
    button = f'<button class="{look}"{" disabled" if disabled else ""}>{label}</button>'
    return f'<form method="post" action="{escape(action)}">{button}</form>'


def _time(moment: datetime, now: datetime) -> str:
    return f'<time datetime="{moment.isoformat()}">{relative(moment - now)}</time>'
