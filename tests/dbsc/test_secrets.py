"""Challenges, offers and the second cookie: what each is good for, how often and how long."""

from __future__ import annotations

from coatcheck.core.dbsc import bound_cookie, challenges
from coatcheck.core.dbsc.challenges import Offer

SECRET, OTHER = b"s" * 32, b"o" * 32
NOW = 1_800_000_000


def spent(kept: str, challenge: str, now: int = NOW) -> challenges.Spent | None:
    return challenges.spent(kept, challenge, b"n" * 24, now, now + 1200)


def current(kept: str, nonce: bytes, now: int = NOW) -> challenges.Spent:
    return challenges.current(kept, nonce, now, now + 1200)


def test_a_challenge_counts_once() -> None:
    given = current(challenges.NONE, b"1" * 24)
    left = spent(given.kept, given.next)
    assert left is not None
    assert left.next != given.next
    assert spent(left.kept, given.next) is None
    assert spent(left.kept, left.next) is not None
    assert spent(left.kept, "") is None
    assert spent(challenges.NONE, given.next) is None


def test_a_challenge_ends() -> None:
    given = current(challenges.NONE, b"1" * 24)
    assert spent(given.kept, given.next, NOW + 1199) is not None
    assert spent(given.kept, given.next, NOW + 1200) is None


def test_who_asks_often_pushes_no_challenge_out() -> None:
    """The latest one is given again; an older one stays good beside it for a while."""
    given = current(challenges.NONE, b"1" * 24)
    assert current(given.kept, b"2" * 24, NOW + 500) == given
    later = current(given.kept, b"2" * 24, NOW + 700)
    assert later.next != given.next
    assert spent(later.kept, given.next, NOW + 700) is not None
    assert spent(later.kept, later.next, NOW + 700) is not None


def test_only_the_last_few_are_kept() -> None:
    kept, given = challenges.NONE, []
    for number in range(5):
        kept, latest = challenges.current(kept, bytes([number]) * 24, NOW, NOW + 1200 * 4**number)
        given.append(latest)
    assert [spent(kept, each) is not None for each in given] == [False, False, True, True, True]


def test_an_offer_is_to_one_session_as_of_one_sign_in() -> None:
    offer = challenges.offered(SECRET, "id", 7, b"n" * 24, NOW)
    assert challenges.accepts([OTHER, SECRET], "id", 7, offer, NOW)
    assert challenges.accepts([SECRET], "id", 7, offer, NOW + 299)
    assert not challenges.accepts([SECRET], "id", 7, offer, NOW + 300)
    assert not challenges.accepts([OTHER], "id", 7, offer, NOW)
    assert not challenges.accepts([], "id", 7, offer, NOW)
    assert not challenges.accepts([SECRET], "other", 7, offer, NOW)
    assert not challenges.accepts([SECRET], "id", 8, offer, NOW)
    later = challenges.offered(SECRET, "id", 7, b"n" * 24, NOW + 1)
    for wrong in (
        Offer(later.challenge, offer.authorization),
        Offer(offer.challenge, later.authorization),
        Offer(offer.challenge, ""),
        Offer("", offer.authorization),
        Offer("?", "?"),
    ):
        assert not challenges.accepts([SECRET], "id", 7, wrong, NOW)


def test_the_second_cookie_is_good_for_one_session_and_a_while() -> None:
    value = bound_cookie.issued(SECRET, "id", NOW + 600).encode()

    def good(value: bytes, session_id: str = "id", now: int = NOW, secrets: tuple[bytes, ...] = (SECRET,)) -> bool:
        return bound_cookie.proves(secrets, [value], session_id, now)

    assert good(value)
    assert good(value, now=NOW + 599)
    assert good(value, secrets=(OTHER, SECRET))
    assert not good(value, now=NOW + 600)
    assert not good(value, "di")
    assert not good(value, secrets=(OTHER,))
    end, _, mac = value.partition(b".")
    assert not good(b"%d.%s" % (int(end) + 600, mac))
    assert not good(b"0" + value)
    for position in range(len(value)):
        altered = value[:position] + (b"A" if value[position : position + 1] != b"A" else b"B") + value[position + 1 :]
        assert not good(altered)
    for nonsense in (b"", b".", mac, value + b" ", value * 2, b"\xff", b"9" * 9000):
        assert not good(nonsense)
    assert not bound_cookie.proves([SECRET], [], "id", NOW)
    assert bound_cookie.proves([SECRET], [b"planted", value], "id", NOW)
