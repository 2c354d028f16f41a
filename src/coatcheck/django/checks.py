"""System checks: a wrong configuration is told by `manage.py check`, and by every command that runs the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.conf import settings as django_settings
from django.core import checks

from coatcheck.core.refusals import Refusal
from coatcheck.django import configuration
from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

ENGINE: Final = "coatcheck.django.sessions"
MIDDLEWARE: Final = "coatcheck.django.middleware.SessionMiddleware"
_JSON: Final = "django.contrib.sessions.serializers.JSONSerializer"


def register_all() -> None:
    """Have Django run the checks."""
    checks.register(check_settings, checks.Tags.security)


def check_settings(app_configs: Any, **_: Any) -> Sequence[checks.CheckMessage]:  # noqa: ARG001 - Django's signature
    """Say what is wrong with the settings; connects to nothing."""
    found: list[checks.CheckMessage] = []
    try:
        wiring = configuration.read()
        wiring.settings.sessions().close()
    except ConfigurationError as error:
        hint = error.fix if isinstance(error, Refusal) else None
        return [checks.Error(str(error), hint=hint, obj="COATCHECK", id="coatcheck.E001")]
    if django_settings.SESSION_ENGINE != ENGINE:
        hint = f"set SESSION_ENGINE = {ENGINE!r}"
        found.append(checks.Warning("SESSION_ENGINE is not coatcheck's", hint=hint, id="coatcheck.W001"))
    elif MIDDLEWARE not in django_settings.MIDDLEWARE:
        problem = "an outage of the session store will be a 500: Django's SessionMiddleware does not know what it is"
        hint = f"write {MIDDLEWARE!r} in MIDDLEWARE instead of Django's"
        found.append(checks.Warning(problem, hint=hint, id="coatcheck.W002"))
    if "Pickle" in django_settings.SESSION_SERIALIZER:
        problem = f"SESSION_SERIALIZER={django_settings.SESSION_SERIALIZER!r} is not possible: sessions are JSON"
        found.append(checks.Error(problem, hint=f"use {_JSON!r}", id="coatcheck.E002"))
    return found
