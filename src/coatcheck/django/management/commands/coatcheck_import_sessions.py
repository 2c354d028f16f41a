"""`manage.py coatcheck_import_sessions`: move the live sessions of the engine before, so that lists are complete."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from coatcheck.django import previous
from coatcheck.django.running import running
from coatcheck.django.sessions import SessionStore


class Command(BaseCommand):
    """Moves what would be moved when it is used; it can be interrupted, and run again."""

    help = (
        "Moves the live sessions of COATCHECK['previous_engine'] to coatcheck. Those that are used are moved then in "
        "any case; after this the others are in lists and limits as well, and the engine before is not needed any more."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        """Move them one by one."""
        engine = running.wiring().previous_engine
        if engine is None:
            msg = "COATCHECK['previous_engine'] is not set: name the engine, 'django.contrib.sessions.backends.db'"
            raise CommandError(msg)
        if not hasattr(old := previous.store(), "get_model_class"):
            msg = f"{engine} cannot list its sessions: they are moved when they are used"
            raise CommandError(msg)
        live = old.get_model_class().objects.filter(expire_date__gt=timezone.now())
        moved = failed = 0
        for key in live.order_by("session_key").values_list("session_key", flat=True).iterator():
            session = SessionStore(key)
            session.load()
            moved, failed = (moved + 1, failed) if session.session_key else (moved, failed + 1)
        self.stdout.write(
            f"moved {moved} sessions; {failed} could not be: see the log" if failed else f"moved {moved} sessions"
        )
