"""A provider that says what it is told to say, for both sides, and the sessions in front of it."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from coatcheck import AsyncProviderSessions, NotSignedIn, ProviderSessions, ProviderSettings, Session, Unavailable
from coatcheck.core.identities import ProviderAnswer, identity
from coatcheck.core.times import from_micros
from coatcheck.core.users import User
from coatcheck.testing import AsyncMemoryStore, ManualClock, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from coatcheck.core.session import Record

REFUSED = ProviderAnswer(NotSignedIn.UNKNOWN)
AWAY = Unavailable("the provider does not answer", retry_after=7)


class Script:
    """What a provider says, and what it was asked.

    Attributes:
        answers: What it says of each token; of others that nobody is signed in. Unavailable is raised.
        asked: Which tokens it was asked about.
        signed_out: Which sessions were ended.
        on_ask: Called before it answers.
        on_sign_out: Called after it has ended a session and before it says so.
    """

    name = "scripted"
    marks_bearer = False

    def __init__(
        self, *, cookies: tuple[str, ...] = ("sid",), revalidate_after: timedelta = timedelta(minutes=5)
    ) -> None:
        self.answers: dict[bytes, ProviderAnswer | Unavailable] = {}
        self.asked: list[bytes] = []
        self.signed_out: list[bytes] = []
        self.set_cookies: tuple[bytes, ...] = ()
        self.conditions = ""
        self.cookies = cookies
        self.bearer: bool | None = None
        self.revalidate_after = revalidate_after
        self.available = True
        self.forks = 0
        self.on_ask: Callable[[], Any] = lambda: None
        self.on_sign_out: Callable[[], Any] = lambda: None

    def well_formed(self, presented: bytes) -> bool:
        return presented != b"malformed"

    def forked(self) -> None:
        self.forks += 1

    def _ended(self, presented: bytes) -> None:
        if isinstance(self.answers.get(presented), Unavailable):
            raise Unavailable("the provider does not answer")
        self.signed_out.append(presented)
        self.answers[presented] = REFUSED


class AsyncScripted(Script):
    """The provider for asyncio."""

    async def open(self) -> None:
        """Connect to nothing."""

    async def aclose(self) -> None:
        """Close nothing."""

    async def identify(self, presented: bytes) -> ProviderAnswer:
        self.asked.append(presented)
        said = self.answers.get(presented, REFUSED)
        await _awaited(self.on_ask())
        return _or_raised(said)

    async def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        self._ended(presented)
        await _awaited(self.on_sign_out())
        return self.set_cookies


class Scripted(Script):
    """The provider for threads."""

    def open(self) -> None:
        """Connect to nothing."""

    def close(self) -> None:
        """Close nothing."""

    def identify(self, presented: bytes) -> ProviderAnswer:
        self.asked.append(presented)
        said = self.answers.get(presented, REFUSED)
        self.on_ask()
        return _or_raised(said)

    def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        self._ended(presented)
        self.on_sign_out()
        return self.set_cookies


class Provided:
    """Sessions of a scripted provider, of one of the two kinds."""

    def __init__(self, kind: str, runner: asyncio.Runner, provider: Script, store: Any, **options: Any) -> None:
        self.kind = kind
        self.provider = provider
        self._runner = runner
        make: Any = AsyncProviderSessions if kind == "asyncio" else ProviderSessions
        self.sessions: Any = make(provider, store, **options)

    def do(self, verb: str, *args: Any, **options: Any) -> Any:
        """Call a method, and wait for it."""
        answer = getattr(self.sessions, verb)(*args, **options)
        return self._runner.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

    def get(self, token: str | bytes) -> Session | NotSignedIn:
        return cast("Session | NotSignedIn", self.do("get", token))


class Bench:
    """What a test of both kinds sets up: one provider, one clock, one store, and as many workers as it wants."""

    def __init__(self, kind: str, runner: asyncio.Runner, stack: ExitStack) -> None:
        self.kind = kind
        self.clock = ManualClock()
        self._runner = runner
        self._stack = stack
        self.provider: Any = self.a_provider()
        self.store: Any = (AsyncMemoryStore if kind == "asyncio" else MemoryStore)(clock=self.clock)

    def a_provider(self, **options: Any) -> Script:
        return (AsyncScripted if self.kind == "asyncio" else Scripted)(**options)

    def worker(self, store: Any = None, *, provider: Any = None, **options: Any) -> Provided:
        """Return another worker; the options are those of its sessions, and the settings' fields."""
        fields = {key: options.pop(key) for key in list(options) if key in ProviderSettings.__slots__}
        given: dict[str, Any] = {"settings": ProviderSettings(**fields), "clock": self.clock, **options}
        made = Provided(self.kind, self._runner, provider or self.provider, store or self.store, **given)
        made.do("open")
        self._stack.callback(made.do, "aclose" if self.kind == "asyncio" else "close")
        return made

    def signed_in(self, token: bytes = b"token", session_id: str = "s1", **answer: Any) -> ProviderAnswer:
        """Let the provider accept a token."""
        said = ProviderAnswer(self.record(session_id), **answer)
        self.provider.answers[token] = said
        return said

    def record(self, session_id: str = "s1", user_id: str = "ada", lasts: timedelta = timedelta(days=7)) -> Record:
        return a_record(session_id, user_id, self.moment(), lasts)

    def moment(self) -> datetime:
        """Return the time of the clock."""
        return from_micros(self.clock.now() // 1000)

    def run(self, job: Any) -> Any:
        """Run something in the loop."""
        return self._runner.run(job)


def a_record(session_id: str, user_id: str, now: datetime, lasts: timedelta) -> Record:
    user = User(user_id, name="Ada", email="ada@example.com")
    return identity(session_id, user, created_at=now, ends_at=now + lasts)


@contextmanager
def a_bench(kind: str) -> Iterator[Bench]:
    """Set up, and close all workers in the end."""
    with asyncio.Runner() as runner, ExitStack() as stack:
        yield Bench(kind, runner, stack)


def _or_raised(answer: ProviderAnswer | Unavailable) -> ProviderAnswer:
    if isinstance(answer, Unavailable):
        raise Unavailable(str(answer), retry_after=answer.retry_after)
    return answer


async def _awaited(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer
