"""The admin page: who is signed in where, and an end to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse

from coatcheck.actors import acting
from coatcheck.django._pair import open_sessions, to_read, to_write
from coatcheck.django.models import SessionPage
from coatcheck.django.running import running
from coatcheck.django.stored import client_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, HttpResponse

    from coatcheck.core.session import Session

    Admin = admin.ModelAdmin[SessionPage]
else:
    Admin = admin.ModelAdmin

_MOST = 200


@admin.register(SessionPage)
class SessionAdmin(Admin):
    """Lists live sessions, latest activity first, of all users or of one; ends one, or all of a user (rule L13)."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the page, or do what its buttons say."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self._end(request)
            return HttpResponseRedirect(request.get_full_path())
        user_id = request.GET.get("user", "").strip()
        more: dict[str, Any] = extra_context or {}
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            **more,
            "title": "Sessions",
            "opts": self.opts,
            "user_id": user_id,
            "live": _listed(user_id),
            "may_end": self.has_delete_permission(request),
        }
        return TemplateResponse(request, "admin/coatcheck/sessions.html", context)

    def _end(self, request: HttpRequest) -> None:
        if not self.has_delete_permission(request):
            raise PermissionDenied
        sessions = open_sessions()
        with acting(str(request.user.pk), address=client_of(request.META)["ip"]):
            if session_id := request.POST.get("session"):
                count = int(sessions.revoke_any(session_id, connection=to_write()))
            elif user_id := request.POST.get("all_of"):
                count = sessions.revoke_user(user_id, connection=to_write())
            else:
                return
        running.doubt()
        self.message_user(request, f"Ended: {count}.", messages.SUCCESS)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Let nobody make one here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Let nobody change one here."""
        return False


def _listed(user_id: str) -> Sequence[Session]:
    sessions, connection = open_sessions(), to_read()
    if user_id:
        return sessions.list(user_id, limit=_MOST, connection=connection)
    return sessions.list_active(limit=_MOST, connection=connection)
