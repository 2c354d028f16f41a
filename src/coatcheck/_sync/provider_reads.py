# Generated from _async/provider_reads.py by tools/generate_sync.py: edit that, run `make generate`.
"""Validating a provider's sessions: from memory, from the shared cache, or by asking it; never against the log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from coatcheck._sync.provider_base import ProviderBase
from coatcheck.core.answers import NotSignedIn, Validated
from coatcheck.core.credentials import presented_bytes
from coatcheck.core.endings import (
    doubted_subjects,
    ended_subject,
    outdated_subject,
    second_of,
    session_tag,
    signed_out_name,
    token_tag,
)
from coatcheck.core.identities import ProviderAnswer
from coatcheck.core.identity_copies import IdentityReading, tags_of
from coatcheck.core.local_cache import key_of
from coatcheck.core.refused_tokens import Refusal
from coatcheck.core.session import Session, copy_in, times_of
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coatcheck.core.answers import Source
    from coatcheck.core.coherence import Knowledge
    from coatcheck.core.session import Record
    from coatcheck.core.tokens import Token

_DOUBTED_FOR = timedelta(seconds=5)
"""How long an answer about a user is kept whose sessions are said to end: it may still be the old one."""


class ProviderReads(ProviderBase):
    """The sessions of those who present a token."""

    def get(self, token: str | bytes | Token | None) -> Session | NotSignedIn:
        """Validate a token.

        Returns:
            The session, or why nobody is signed in.

        Raises:
            Unavailable: Nobody can tell: the provider did not answer.
        """
        presented = presented_bytes(token)
        return self.lookup(presented) or (self.ask(presented)).answer

    def ask(self, token: bytes) -> Validated:
        """Validate a token that `lookup` had no answer for, and say which tier answered in the end.

        Raises:
            Unavailable: Nobody can tell: the provider did not answer.
        """
        if not token:
            return Validated(NotSignedIn.NO_TOKEN, None)
        if not self.well_formed(token):
            return Validated(NotSignedIn.MALFORMED, None)
        key = key_of(token)
        proven = self._log.can_prove()
        refused = self._refusal(key, token)
        if refused is not None:
            return Validated(refused, "memory")
        try:
            return self._answer(key, token, proven=proven)
        except Unavailable:
            copy = self._past(key)
            if copy is None:
                raise
            return Validated(Session(copy), "stale")

    def _refusal(self, key: bytes, presented: bytes) -> NotSignedIn | None:
        """Return why a token is refused without asking the provider: it has ended, or was refused just now."""
        tag, knowledge = token_tag(presented), self._log.knowledge
        if knowledge.knows(ended_subject(tag)):
            return NotSignedIn.UNKNOWN
        refused = self._refused.get(key, self._clock.monotonic())
        if refused is None or knowledge.outdated(refused.as_of, (outdated_subject(tag),)):
            return None
        return refused.reason

    def _answer(self, key: bytes, presented: bytes, *, proven: bool) -> Validated:
        led: list[IdentityReading] = []

        def identify(knowledge: Knowledge | None) -> IdentityReading:
            led.append(self._identify(key, presented, knowledge))
            return led[-1]

        if proven:
            try:
                return self._validated(*self._reads.get(key, identify), led)
            except Unavailable:
                if not self._log.failing:
                    raise
        # What only bounds what we remember must not fail what the provider can answer.
        self._log.follow()
        read = self._reads.without_log(key, lambda: identify(None))
        return self._validated(read, "shared" if isinstance(read, bytes) else "store", led)

    def _validated(self, answer: bytes | IdentityReading, source: Source, led: Sequence[IdentityReading]) -> Validated:
        if isinstance(answer, bytes):
            return Validated(Session(answer), source)
        # Only who has asked hands the provider's cookies on; who waited for that may be answered later than they are.
        mine = any(answer is reading for reading in led)
        return Validated(self._judged(answer), source, answer.answer.set_cookies if mine else ())

    def _identify(self, key: bytes, presented: bytes, knowledge: Knowledge | None) -> IdentityReading:
        """Ask the provider. Where the log stood is taken before: what ended meanwhile outdates what it says."""
        epoch, as_of = ("", 0) if knowledge is None else (knowledge.epoch, knowledge.as_of)
        reached, began, now = self._log.knowledge.as_of, self._clock.monotonic(), self._log.best_now()
        refused = self._refusal(key, presented)
        if refused is not None:  # as somebody was told for whom this call has waited
            return IdentityReading("", 0, now, ProviderAnswer(refused))
        answer = self.provider.identify(presented)
        record = answer.identity
        if isinstance(record, NotSignedIn):
            # Not even while the provider is away is it served from before, where that is wanted of others.
            self._reads.drop(key)
            self._refused.add(key, Refusal(record, reached), began, admitted=answer.valid_for)
            return IdentityReading(epoch, as_of, now, answer)
        own = (token_tag(presented), session_tag(record.id))
        answer = answer._replace(tags=(*own, *answer.tags))
        if self._has_ended(answer.tags) or self._was_signed_out(record):
            # The provider has not noticed yet: another said so, or it has told us before it did it itself.
            answer = ProviderAnswer(NotSignedIn.UNKNOWN)
        elif record.user_id is not None and self._is_doubted(record.user_id, now):
            admitted = _DOUBTED_FOR if answer.valid_for is None else min(answer.valid_for, _DOUBTED_FOR)
            answer = answer._replace(valid_for=admitted)
        return IdentityReading(epoch, as_of, now, answer)

    def _is_doubted(self, user_id: str, now: int) -> bool:
        return any(map(self._log.knowledge.knows, doubted_subjects(user_id, now)))

    def _has_ended(self, tags: Iterable[bytes]) -> bool:
        knowledge = self._log.knowledge
        return any(knowledge.knows(ended_subject(tag)) for tag in tags)

    def _was_signed_out(self, record: Record) -> bool:
        """Tell whether the user was signed out everywhere after this session began, or in the same second."""
        if record.user_id is None:
            return False
        moment = self._log.knowledge.latest(signed_out_name(record.user_id))
        began = record.created_at if record.authenticated_at is None else record.authenticated_at
        return moment is not None and second_of(began) <= moment

    def _judged(self, reading: IdentityReading) -> Session | NotSignedIn:
        record = reading.answer.identity
        if isinstance(record, NotSignedIn):
            return record
        if reading.now >= record.ends_at() * 1000:
            return NotSignedIn.EXPIRED
        return Session(self._copies.copy_of(reading, record))

    def _past(self, key: bytes) -> bytes | None:
        """Return a session that should be revalidated, while the provider cannot be asked and where that is wanted."""
        # The provider may have taken longer to fail than a proof is good.
        if not self._stale or not self._log.can_prove():
            return None
        copy = self._reads.past(key, self._stale)
        if copy is None or self._log.best_now() >= min(times_of(copy)[1:3]) * 1000:
            return None
        return copy

    def recheck(self, session: Session, presented: bytes) -> Session | NotSignedIn:
        """Validate again a session that was read earlier, such as the one of an open WebSocket.

        Args:
            session: The session.
            presented: The token that it was found by.

        Returns:
            The session itself if the log proves that nothing has changed, why not if it says that it has ended, and
            otherwise what the provider says.

        Raises:
            Unavailable: The provider did not answer.
        """
        copy = copy_in(session)
        if self._log.can_prove() and self._reads.admits(b"", copy):
            return session
        if self._has_ended(tags_of(copy)):
            return NotSignedIn.UNKNOWN  # also while the provider is away, which would leave it open
        return (self.ask(presented)).answer
