"""`coatcheck check --statement`: each requirement with its verdict, and no claim that the settings do not bear out."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import CacheSettings, CookieSettings, CrossOriginPolicy, Policy, Sessions
from coatcheck.describe import statement
from coatcheck.testing import MemoryStore
from coatcheck.web.settings import WebSettings
from tools import rule_tests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Result

    Run = Callable[..., Result]

CHAPTER_7 = [
    *(f"7.1.{number}" for number in range(1, 4)),
    *(f"7.2.{number}" for number in range(1, 5)),
    *(f"7.3.{number}" for number in range(1, 3)),
    *(f"7.4.{number}" for number in range(1, 6)),
    *(f"7.5.{number}" for number in range(1, 4)),
    *(f"7.6.{number}" for number in range(1, 3)),
]


def verdicts(policy: Policy | None = None, **web: Any) -> dict[str, str]:
    """Return the verdict of each requirement."""
    sessions = Sessions("sqlite:///never-opened.db", policy=policy)
    return {claim.requirement: claim.verdict for claim in statement(sessions, WebSettings(**web))}


def test_all_of_chapter_7_is_stated() -> None:
    """Its 19 requirements, each once."""
    stated = [name.split()[1] for name in verdicts() if name.startswith("ASVS 7.")]
    assert stated == CHAPTER_7


def test_the_rules_it_cites_are_listed() -> None:
    """Whoever reads a claim can look up what holds it up, and by what test."""
    listed = set(rule_tests.rules())
    for claim in statement(Sessions("sqlite:///never-opened.db"), WebSettings()):
        assert set(claim.rules.split(", ")) <= listed, claim.requirement


@pytest.mark.parametrize(
    ("changed", "lost"),
    [
        ({"cookie": CookieSettings(name="s", secure=False)}, {"ASVS 3.3.1 L1", "ASVS 3.3.3 L2"}),
        ({"cookie": CookieSettings(name="__Secure-s")}, {"ASVS 3.3.3 L2"}),
        ({"cookie": CookieSettings(same_site="none")}, {"ASVS 3.3.2 L2"}),
        ({"cookie": CookieSettings(http_only=False)}, {"ASVS 3.3.4 L2"}),
        ({"cross_origin": CrossOriginPolicy(allow_missing=True)}, {"ASVS 3.5.1 L1", "ASVS 3.5.3 L1"}),
        (
            {"policy": Policy(lifetime=None, extend_when_less_than=timedelta(days=1))},
            {"ASVS 7.3.2 L2", "NIST AAL1 timeouts"},
        ),
    ],
    ids=["plain", "secure", "same site", "scripts", "missing", "endless"],
)
def test_a_weaker_setting_loses_its_claims(changed: dict[str, Any], lost: set[str]) -> None:
    """And no other one."""
    short = {"policy": Policy.aal1(), **changed}
    before, after = verdicts(Policy.aal1()), verdicts(**short)
    assert {name for name in before if before[name] != after[name]} == lost
    assert {after[name] for name in lost} == {"not met"}


def test_L7_a_sign_out_without_a_bound_is_no_end() -> None:
    """Where the store is consistent only after a while, or what has ended is served for long in an outage."""

    class Eventual(MemoryStore):
        capabilities = MemoryStore.capabilities._replace(eventual=True)

    hour = CacheSettings(serve_stale_for=timedelta(hours=1))
    for sessions, verdict in (
        (Sessions(MemoryStore()), "met"),
        (Sessions(MemoryStore(), cache=hour), "not met"),
        (Sessions(Eventual()), "not met"),
    ):
        stated = {claim.requirement: claim.verdict for claim in statement(sessions, WebSettings())}
        assert stated["ASVS 7.4.1 L1"] == verdict


def test_X1_exemptions_are_named() -> None:
    web = WebSettings(cross_origin=CrossOriginPolicy(exempt=["POST /hook/"]))
    stated = {claim.requirement: claim.why for claim in statement(Sessions(MemoryStore()), web)}
    assert stated["ASVS 3.5.1 L1"].endswith("is refused; 1 address is exempt")


@pytest.mark.parametrize(("policy", "level"), [(Policy.aal1(), 1), (Policy.aal2(), 2), (Policy.aal3(), 3)])
def test_the_presets_are_what_they_say(policy: Policy, level: int) -> None:
    """Each fulfils its own level and those below, and none above."""
    stated = verdicts(policy)
    assert [stated[f"NIST AAL{each} timeouts"] == "met" for each in (1, 2, 3)] == [each <= level for each in (1, 2, 3)]


def test_the_command_prints_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """After all the rest, and only for those who ask."""
    run("migrate", "--store", "sqlite:///app.db")
    plain = run("check", "--store", "sqlite:///app.db").out
    stated = run("check", "--statement", "--store", "sqlite:///app.db").out
    assert stated.startswith(plain)
    assert re.search(r"ASVS 7\.4\.1 L1 +L7 +met +refused after 0: from the next request on", stated)
    assert re.search(r"ASVS 7\.4\.4 L2 +L7 +yours +show a sign-out button", stated)
    monkeypatch.setenv("COATCHECK_STATEMENT", "1")
    assert run("check", "--store", "sqlite:///app.db").out.endswith(stated[len(plain) :])
