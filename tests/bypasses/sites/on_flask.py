"""The site that is attacked, in Flask: `flask.session` and the verbs."""

from __future__ import annotations

import logging
import os
from typing import Any

import flask
from flask import Flask, Response

from coatcheck import Policy, Sessions
from coatcheck.errors import DataError
from coatcheck.flask import Coatcheck, current_session, login_required, revoke_others, rotate, sign_in, sign_out
from tests.bypasses.sites.waiting import wait

logging.basicConfig(level=logging.DEBUG)
sessions = Sessions(os.environ["STORE"], keys=[os.environ["KEY"]], policy=Policy(carry_over=("basket",)))
app = Flask(__name__)
Coatcheck(app, sessions)
app.register_error_handler(DataError, lambda _: ("refused", 422))

LOOKS: dict[str, Any] = {
    "get": lambda session: session.get("secret"),
    "in": lambda session: "secret" in session and session["secret"],
    "len": lambda session: len(session) and dict(session),
    "bool": lambda session: bool(session) and dict(session),
    "iteration": lambda session: [(key, session[key]) for key in session],
}


@app.get("/plain")
def plain() -> str:
    return "plain"


@app.get("/look/<way>")
def look(way: str) -> Response:
    answer = Response(repr(LOOKS[way](flask.session)))
    answer.headers["Cache-Control"] = "public, max-age=60"
    return answer


@app.get("/me")
@login_required
def me() -> str:
    return current_session.user_id or ""


@app.get("/all")
def show() -> dict[str, Any]:
    return dict(flask.session)


@app.post("/set/<key>/<value>")
def change(key: str, value: str) -> str:
    flask.session[key] = value
    return ""


@app.post("/hold/<name>/<key>/<value>")
def hold(name: str, key: str, value: str) -> str:
    dict(flask.session)
    wait(name)
    flask.session[key] = value
    return ""


@app.post("/in/<user>")
def enter(user: str) -> str:
    sign_in(user)
    return ""


@app.post("/step-up")
def step_up() -> str:
    rotate(reauthenticated=True)
    return ""


@app.post("/privileges")
def privileges() -> str:
    rotate()
    return ""


@app.post("/out")
def leave() -> str:
    sign_out()
    return ""


@app.post("/flush")
def flush() -> str:
    flask.session.clear()
    return ""


@app.post("/password")
@login_required
def password() -> str:
    revoke_others()
    return ""


@app.get("/devices")
@login_required
def devices() -> list[Any]:
    listed = sessions.list(current_session.user_id or "")
    return [{"id": each.id, "agent": each.user_agent, "ip": each.ip} for each in listed]


@app.delete("/devices/<name>")
@login_required
def end(name: str) -> tuple[str, int]:
    return "", 200 if sessions.revoke_by_id(name, user_id=current_session.user_id) else 404
