"""The tables of the first release."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.apps import apps
from django.conf import settings
from django.db import migrations, models

from coatcheck.django.tables import MakeTables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.migrations.operations.base import Operation


def _after() -> list[tuple[str, str]]:
    """Return what has to be there before: the users, whose table may be joined."""
    there = apps.is_installed("django.contrib.auth") or settings.AUTH_USER_MODEL != "auth.User"
    return [migrations.swappable_dependency(settings.AUTH_USER_MODEL)] if there else []


class Migration(migrations.Migration):
    """It is in no transaction: SQLite changes its journal in none, and PostgreSQL's steps have one each."""

    initial = True
    atomic = False
    dependencies: ClassVar[Sequence[tuple[str, str]]] = _after()
    operations: ClassVar[Sequence[Operation]] = [
        MakeTables(),
        migrations.CreateModel(
            name="SessionPage",
            fields=[("id", models.BigAutoField(primary_key=True))],
            options={
                "managed": False,
                "default_permissions": ("view", "delete"),
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
            },
        ),
    ]
