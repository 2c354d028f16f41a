"""The audit trail says whose request it was (S15), for threads and for event loops."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from coatcheck import AuditTrail, Policy, Sessions
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing.browsers import Browser
from tests.django import site as sites

if TYPE_CHECKING:
    from collections.abc import Iterator

TRAIL = {"policy": {"audit_keep_for": "30 days"}}

Told = list[tuple[str, str | None, str | None, str | None]]


@pytest.fixture(autouse=True)
def _kept() -> Iterator[None]:
    sites.prepared()
    with override_settings(COATCHECK=TRAIL):
        yield


def told() -> Told:
    """Return what the trail has got since the tables were emptied, oldest first, with names for ids."""
    names = {str(user.pk): user.get_username() for user in User.objects.all()}
    with Sessions(SQLiteStore(str(sites.DATABASE)), policy=Policy(audit_keep_for=timedelta(days=30))) as sessions:
        entries = AuditTrail(sessions).entries().entries[::-1]
    return [
        (entry.action, names[entry.user_id], entry.actor and names[entry.actor], entry.address)
        for entry in entries
        if entry.user_id in names
    ]


def test_S15_whoever_ends_the_sessions_of_somebody_else_is_named(served: str) -> None:
    """And whoever signs in, or out, is nobody else, whoever was signed in before."""
    with sites.server(served) as server:
        browser, ann = (Browser(sites.Below(server, sites.PREFIXES[served])) for _ in range(2))
        ann("POST", "/sign-in/ann")
        for path in ("/sign-in/bob", "/end/ann", "/sign-in/ann", "/sign-out"):
            assert browser("POST", path).status == 200
    address = "192.0.2.7"
    assert told() == [
        ("created", "ann", None, address),
        ("created", "bob", None, address),
        ("revoked", "ann", "bob", address),
        ("revoked", "bob", None, address),
        ("created", "ann", None, address),
        ("revoked", "ann", None, address),
    ]


def test_S15_the_admin_is_named() -> None:
    """Who ends sessions on its page."""
    root = User.objects.create_superuser("root", password="secret")
    client, admin = Client(), Client(REMOTE_ADDR="192.0.2.9")
    client.post("/sign-in/ann")
    admin.force_login(root)
    ann = User.objects.get(username="ann")
    assert admin.post("/admin/coatcheck/sessionpage/", {"all_of": str(ann.pk)}).status_code == 302
    assert told()[-1] == ("revoked", "ann", "root", "192.0.2.9")
