"""Environment variables that stand for options."""

from __future__ import annotations

from typing import Self


class FromEnvironment(str):
    """A value that an environment variable gave, not the command line."""

    __slots__ = ("variable",)

    variable: str

    def __new__(cls, value: str, variable: str) -> Self:
        """Keep the value, and where it comes from."""
        text = super().__new__(cls, value)
        text.variable = variable
        return text
