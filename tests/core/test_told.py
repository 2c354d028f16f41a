"""What was told lately is not told again (S12)."""

from __future__ import annotations

from coatcheck.core.told import ToldLately


def test_a_name_is_news_once_in_a_while() -> None:
    told = ToldLately(60)
    news = [told.is_news(name, now) for name, now in (("a", 0), ("a", 59), ("b", 59), ("a", 60), ("a", 61), ("a", 120))]
    assert news == [True, False, True, True, False, True]


def test_S12_it_remembers_only_so_many() -> None:
    """Of too many the one that was told first is forgotten, and not the one that was told again."""
    told = ToldLately(60, most=2)
    assert [told.is_news(name, now) for name, now in (("a", 0), ("b", 1), ("a", 60), ("c", 61))] == [True] * 4
    assert not told.is_news("a", 62)
    assert not told.is_news("c", 62)
    assert told.is_news("b", 62)
    assert len(told._told) == 2
