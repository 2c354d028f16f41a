"""A Flask application with a list of devices.

Run it with several workers: `gunicorn --preload --workers 2 examples.flask_app:app`.
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, abort

from coatcheck import Policy, Sessions
from coatcheck.flask import Coatcheck, current_session, login_required, sign_in, sign_out

sessions = Sessions(os.environ.get("COATCHECK_STORE", "sqlite:///example.db"), policy=Policy(max_sessions=5))

app = Flask(__name__)
Coatcheck(app, sessions)


@app.post("/sign-in/<name>")
def enter(name: str) -> dict[str, Any]:
    """Sign in whoever says a name: put your own check of a password here."""
    sign_in(name)
    return {}


@app.get("/me")
@login_required
def me() -> dict[str, Any]:
    """Say who is signed in."""
    return {"user": current_session.user_id}


@app.get("/devices")
@login_required
def devices() -> dict[str, Any]:
    """List the user's sessions by their public ids, newest first."""
    listed = sessions.list(current_session.user_id or "")
    return {"devices": [{"id": each.id, "current": each.id == current_session.id} for each in listed]}


@app.delete("/devices/<session_id>")
@login_required
def end(session_id: str) -> dict[str, Any]:
    """End one of the user's own sessions, in every worker at once."""
    if not sessions.revoke_by_id(session_id, user_id=current_session.user_id):
        abort(404)
    return {}


@app.post("/sign-out-everywhere")
@login_required
def leave() -> dict[str, Any]:
    """End all of the user's sessions, this one too."""
    ended = sessions.revoke_user(current_session.user_id or "")
    sign_out()
    return {"ended": ended}
