"""What an integration brings to be tested: a small site, on a store that the site has for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from coatcheck.testing.browsers import Browser, Pause


class Site(Protocol):
    """A site made with the integration, on an empty store. It answers these paths with 200:

    GET  /plain              without a look at the session
    GET  /look/WAY           after a look at the session in one of `ways`
    GET  /all                with all that the session's data has, as JSON; in "user" who is signed in
    POST /sign-in/USER       after USER has signed in
    POST /step-up            after the user has proved again who they are
    POST /privileges         after the user's privileges have changed
    POST /sign-out           after sign-out
    POST /clear              after the session was emptied, in the framework's own manner
    POST /set/KEY/VALUE      after KEY was set
    POST /hold/KEY/VALUE     the same; but between its look at the session and the change it waits in `pause`
    """  # noqa: D415 - what follows the colon is the table

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; over plain http, so without the prefix `__Host-`."""
        ...

    @property
    def ways(self) -> tuple[str, ...]:
        """In which ways its code can look at a session: as "get", "in", "len", "bool", "iteration"."""
        ...

    @property
    def pause(self) -> Pause:
        """Where /hold waits."""
        ...

    def browser(self) -> Browser:
        """Return a visitor without cookies."""
        ...

    def sessions(self) -> int:
        """Return how many sessions the store has, whoever's they are."""
        ...

    def contents(self) -> str:
        """Return all that the store has, to be compared or searched."""
        ...


class FragileSite(Site, Protocol):
    """A site on a store that can be away."""

    def outage(self) -> AbstractContextManager[None]:
        """Have the store not answer, and nothing be known from before."""
        ...


class StreamingSite(Site, Protocol):
    """A site that streams; `browser().stream(…)` reads it while it comes. It answers besides:

    GET  /stream             to who is signed in: the user's name at once, and then something, again and again,
                             without an end
    """  # noqa: D415 - as above

    def revoke(self, user: str) -> None:
        """End all sessions of a user, as another process would: with sessions of its own, on the same store."""
        ...


class SilentSite(StreamingSite, Protocol):
    """A site that can end a stream in which nothing happens, as one in an event loop can. It answers besides:

    GET  /silence            to who is signed in: the user's name at once, and then nothing, without an end
    """  # noqa: D415 - as above


class SocketSite(Site, Protocol):
    """A site with WebSockets; `browser().socket(…)` opens them. It answers besides:

    /socket                  a WebSocket for those who are signed in, which says whatever it hears
    """  # noqa: D415 - as above

    def revoke(self, user: str) -> None:
        """End all sessions of a user, as another process would: with sessions of its own, on the same store."""
        ...
