"""The routes of the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from coatcheck._async.audit_trail import AsyncAuditTrail
from coatcheck._async.session_search import AsyncSessionSearch
from coatcheck.actors import acting
from coatcheck.configuration.console_options import ConsoleOptions
from coatcheck.console import detail, ending, listing, numbers, problems, trail
from coatcheck.console.asked import asked_in
from coatcheck.console.doors import ApplicationDoor, Elsewhere, back_in, here, redirect
from coatcheck.console.forms import fields_of, query_of, read_form
from coatcheck.console.frame import Frame, page
from coatcheck.console.own_door import OwnDoor
from coatcheck.console.tokens import base_of, form_field, verify_form
from coatcheck.console.wording import counted
from coatcheck.core.fleet import MOST_COUNTED
from coatcheck.devices import describe_device

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.console.asked import Asked
    from coatcheck.console.backing import Numbers
    from coatcheck.console.doors import Door, Endpoint
    from coatcheck.console.operators import Operator
    from coatcheck.console.places import Place
    from coatcheck.core.session import Session

_PAGE: Final = 50


class Console:
    """A console for administrators: active sessions of all users, and how to end them; plain forms.

    Whoever may use it signs in to it by the settings, or is somebody whom the application knows. What ends sessions
    asks for a recent proof of who that is (ASVS 7.5.1, rule A1), has a token in its form (rule X2), and is noted in the
    trail.
    """

    def __init__(
        self,
        sessions: AsyncSessions,
        options: ConsoleOptions | None = None,
        *,
        numbers: Numbers | None = None,
        operator: Callable[[Session], str | None] | None = None,
        confirm_path: str = "/confirm",
        place: Place | None = None,
    ) -> None:
        """Wire the console.

        Args:
            sessions: The sessions that are listed and ended.
            options: Where the console is, and who may use it.
            numbers: Reads the numbers of all workers; None shows those of the one that answers.
            operator: Instead of names in the options: returns, for the session of a user who has signed in to the
                application, the operator's name; None for everybody else. `SessionMiddleware` has to stand in front.
            confirm_path: With it, the application's own page that asks for the password again, calls
                `rotate(request, reauthenticated=True)`, and goes on to the path in its parameter `next`.
            place: Returns in words where an address is, such as a town; None where it does not know. It is called in
                the event loop: let it look into memory only.

        Raises:
            ConfigurationError: Nobody could use it, the store cannot search or keep a trail, or something is not
                possible.
        """
        self.options = options or ConsoleOptions()
        self._sessions = sessions
        self._search = AsyncSessionSearch(sessions)
        self._trail = AsyncAuditTrail(sessions)
        self._numbers = numbers
        self._place = place
        self._door: Door = (
            OwnDoor(sessions, self.options, self._trail)
            if operator is None
            else ApplicationDoor(sessions, operator, confirm_path)
        )
        describe_device("the first look loads the parser: now, not in a request")

    def endpoints(self) -> list[tuple[str, str, Endpoint]]:
        """Return what serves each method of each path."""
        own: list[tuple[str, str, Endpoint]] = [
            ("GET", "", self.show),
            ("GET", "/sessions/{session_id}", self.show_one),
            ("GET", "/end", self.preview),
            ("POST", "/end", self.end),
            ("GET", "/numbers", self.show_numbers),
            ("GET", "/trail", self.show_trail),
            *self._door.endpoints(),
            ("GET", "/{rest:path}", self.show_nothing),
        ]
        return [(method, self.options.path + path, self._guarded(serve)) for method, path, serve in own]

    # --- looking

    async def show(self, request: Request) -> Response:
        """List sessions, latest activity first."""
        frame, _ = await self._entered(request, "")
        fields = query_of(request)
        asked, after = asked_in(fields, self._sessions.now()), fields.get("after") or None
        found = await self._search.find(asked.filter(), limit=_PAGE, after=after)
        shown = listing.Listed(
            asked=asked,
            sessions=found.sessions,
            total=await self._search.count(asked.filter(), at_most=listing.COUNTED),
            after=found.after,
            page=after,
            all_chosen=fields.get("choose") == "page",
            now=self._sessions.now(),
            base=frame.base,
            place_of=self._place,
        )
        return page(listing.TITLE, listing.listing(shown), frame)

    async def show_one(self, request: Request) -> Response:
        """Show one session."""
        frame, _ = await self._entered(request, None)
        session = await self._sessions.find(request.path_params["session_id"])
        if session is None:
            return problems.gone(frame)
        shown = detail.Detail(session, self._sessions.now(), frame.base, self._place)
        return page(detail.TITLE, detail.detail(shown), frame)

    async def show_numbers(self, request: Request) -> Response:
        """Show numbers."""
        frame, _ = await self._entered(request, "/numbers")
        asked = asked_in(fields_of("who=all"), self._sessions.now())
        fleet = None if self._numbers is None else await self._numbers.read()
        if fleet is not None and fleet.active is not None:
            active, most = fleet.active, MOST_COUNTED
        else:
            active, most = await self._search.count(asked.filter(), at_most=listing.COUNTED), listing.COUNTED
        shown = numbers.Numbers(
            active=active,
            most=most,
            health=await self._sessions.health(),
            fleet=fleet if fleet is not None and fleet.workers else None,
            now=self._sessions.now(),
        )
        return page(numbers.TITLE, numbers.numbers(shown), frame)

    async def show_trail(self, request: Request) -> Response:
        """Show what was done."""
        frame, _ = await self._entered(request, "/trail")
        fields = query_of(request)
        wanted = {name: fields.get(name, "").strip() for name in trail.FILTERS}
        after = fields.get("after") or None
        given: dict[str, Any] = {name: value for name, value in wanted.items() if value}
        found = await self._trail.entries(**given, limit=_PAGE, after=after)
        shown = trail.Trailed(found.entries, found.after, after, wanted, self._sessions.now(), frame.base)
        return page(trail.TITLE, trail.trail(shown), frame)

    async def show_nothing(self, request: Request) -> Response:
        """Say that there is no such page; of the first one only the slash is too much."""
        frame, _ = await self._entered(request, None)
        return problems.gone(frame) if request.path_params["rest"] else redirect(frame.base)

    # --- ending

    async def preview(self, request: Request) -> Response:
        """Show what would end."""
        frame, operator = await self._recently(request)
        fields = query_of(request)
        asked = asked_in(fields, self._sessions.now())
        if asked.everyone and "everyone" not in fields:
            return problems.not_possible("nothing says which sessions are meant", frame)
        return await self._preview(asked, frame, operator)

    async def end(self, request: Request) -> Response:
        """End what the preview has shown, unless there is much more of it now."""
        frame, operator = await self._recently(request)
        form = await read_form(request)
        asked, expected = asked_in(form, self._sessions.now()), _whole(form.get("expected"))
        verify_form(operator, form, asked.shown(expected))
        if asked.everyone and form.get("word", "").strip().lower() != ending.WORD:
            error = f"Type {ending.WORD}, and nothing else."
            return await self._preview(asked, frame, operator, status=422, error=error)
        count = await self._search.count(asked.filter())
        if not count or ending.many_more(count, expected):
            return await self._preview(asked, frame, operator, status=409, changed=expected if count else None)
        ended = await self._ended(request, operator, asked, count)
        return page(ending.ENDED, ending.ended(ended, expected, frame.base), frame)

    async def _ended(self, request: Request, operator: Operator, asked: Asked, count: int) -> int:
        """End them, noted before and after: whatever happens between, somebody is known to have begun it."""
        address, ids = self._door.address(request), asked.ids or ()
        # What cannot be printed stands in no column of the trail; the words have it in another form.
        user_id = asked.user_id if asked.user_id.isprintable() else None
        about = {"user_id": user_id or None, "session_id": ids[0] if len(ids) == 1 else None}
        which = asked.described()
        with acting(operator.name, address=address):
            await self._trail.record("console.ending", **about, detail=f"{counted(count, 'session')} {which}")
            ended = await self._search.revoke(asked.filter(), wait=True)
            await self._trail.record("console.ended", **about, detail=f"{counted(ended, 'session')} {which}")
        return ended

    async def _preview(
        self, asked: Asked, frame: Frame, operator: Operator, *, status: int = 200, **more: Any
    ) -> Response:
        found = await self._search.find(asked.filter(), limit=ending.FIRST)
        count = await self._search.count(asked.filter())
        listed = listing.Listed(
            asked=asked,
            sessions=found.sessions,
            total=count,
            after=None,
            page=None,
            all_chosen=False,
            now=self._sessions.now(),
            base=frame.base,
            place_of=self._place,
        )
        users = await self._search.count_users(asked.filter())
        shown = ending.Preview(listed, users, form_field(operator, asked.shown(count)), **more)
        title = f"Error: {ending.TITLE}" if shown.error else ending.TITLE
        return page(title, ending.preview(shown), frame, status=status)

    # --- who may

    async def _entered(self, request: Request, of: str | None) -> tuple[Frame, Operator]:
        base = base_of(request, self.options.path)
        operator = await self._door.operator(request)
        if operator is None:
            raise Elsewhere(self._door.to_sign_in(base, _back(request, base)))
        frame = Frame(base, operator.name, of, form_field(operator) if self._door.own else None)
        request.state.frame = frame
        return frame, operator

    async def _recently(self, request: Request) -> tuple[Frame, Operator]:
        """Return who asks, if they have proved recently who they are; otherwise they are sent to do so."""
        frame, operator = await self._entered(request, None)
        within, now = self.options.recent_auth_within, self._sessions.now()
        if not operator.session.authenticated_within(within, now):
            raise Elsewhere(self._door.to_confirm(frame.base, _back(request, frame.base)))
        return frame, operator

    def _guarded(self, serve: Endpoint) -> Endpoint:
        """Return an endpoint that answers what went wrong with a page of its own."""

        async def answer(request: Request) -> Response:
            frame = Frame(base_of(request, self.options.path))
            if self._door.cross_origin(request) is not None:
                return problems.cross_origin(frame)
            try:
                return await serve(request)
            except Elsewhere as elsewhere:
                return elsewhere.response
            except problems.ANSWERED as error:
                # Whoever is known by then keeps the way to the other pages, and out.
                known = getattr(request.state, "frame", frame)
                return problems.answer_to(error, known, _back(request, frame.base))

        return answer


def _back(request: Request, base: str) -> str:
    """Return where to come back to: of a form that was sent, which is not sent again, to the list."""
    return back_in(here(request), base) if request.method in {"GET", "HEAD"} else base


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004
