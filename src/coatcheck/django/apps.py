"""The application `coatcheck.django`: for the tables, the checks, the admin and the commands."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps


class CoatcheckConfig(AppConfig):
    """Sessions."""

    name = "coatcheck.django"
    label = "coatcheck"
    verbose_name = "Sessions (coatcheck)"

    def ready(self) -> None:
        """Register the checks, and give users their `session_set`."""
        from coatcheck.django import checks  # noqa: PLC0415 - it needs the applications to be there

        checks.register_all()
        if apps.is_installed("django.contrib.auth"):
            _give_session_set()


def _give_session_set() -> None:
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - the same

    from coatcheck.django.session_set import session_set  # noqa: PLC0415

    model: Any = get_user_model()
    if not hasattr(model, "session_set"):
        model.session_set = property(session_set)
