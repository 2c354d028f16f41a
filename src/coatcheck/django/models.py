"""The model of a page in the admin; it has no table, for the sessions may be in any store."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class SessionPage(models.Model):
    """Stands for the sessions of all users in the admin, and for the right to see and to end them."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)

    class Meta:
        """No table, and the two rights that the page asks for."""

        managed = False
        app_label = "coatcheck"
        default_permissions: ClassVar[tuple[str, ...]] = ("view", "delete")
        verbose_name = "session"
        verbose_name_plural = "sessions"

    def __str__(self) -> str:
        return "session"
