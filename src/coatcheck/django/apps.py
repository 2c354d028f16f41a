"""The application `coatcheck.django`: for the tables, the checks, the admin and the commands."""

from __future__ import annotations

from django.apps import AppConfig


class CoatcheckConfig(AppConfig):
    """Sessions."""

    name = "coatcheck.django"
    label = "coatcheck"
    verbose_name = "Sessions (coatcheck)"

    def ready(self) -> None:
        """Register the checks, and give users their `session_set`."""
        from coatcheck.django import checks  # noqa: PLC0415 - it needs the applications to be there

        checks.register_all()
