"""Every security rule that the documentation lists has a test that carries its ID."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import rule_tests

ROOT = Path(__file__).parents[2]
RULES = list(rule_tests.rules())


@pytest.fixture(scope="module")
def tested() -> dict[str, list[str]]:
    return rule_tests.tests()


@pytest.fixture(scope="module")
def attacked() -> dict[str, list[str]]:
    return rule_tests.advisory_tests()


@pytest.mark.parametrize("rule", RULES)
def test_rule_has_a_test(rule: str, tested: dict[str, list[str]]) -> None:
    """A test function names the rule."""
    assert tested.get(rule), f"no test is named after {rule}"


@pytest.mark.parametrize("advisory", rule_tests.advisories(), ids=lambda advisory: advisory.names[0].replace("*", ""))
def test_advisory_has_a_test_for_each_of_its_names(
    advisory: rule_tests.Advisory, attacked: dict[str, list[str]]
) -> None:
    """A test tries what was published, and says so; and its rules are listed."""
    assert set(advisory.rules) <= set(RULES)
    assert [name for name in advisory.names if name not in attacked] == []


def test_cited_rules_are_listed() -> None:
    """What a docstring cites as a rule can be looked up."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    cited = {
        rule
        for group in re.findall(r"\brules? ([A-Z]\d+(?:(?:, | and |; rule )[A-Z]\d+)*)", sources)
        for rule in re.findall(r"[A-Z]\d+", group)
    }
    assert cited
    assert cited <= set(RULES)
