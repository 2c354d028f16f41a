"""The examples run as they are."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_fastapi_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign in, be listed, talk on a socket, and lose it with the session."""
    monkeypatch.setenv("COATCHECK_STORE", f"sqlite:///{tmp_path}/example.db")
    module = loaded("fastapi_app")
    own = {"Sec-Fetch-Site": "same-origin"}
    with TestClient(module.app, base_url="https://testserver", headers=own) as client:
        assert client.get("/api/session").status_code == 401
        client.post("/sign-in?name=ada")
        assert [device["current"] for device in client.get("/api/sessions").json()["sessions"]] == [True]
        with client.websocket_connect("wss://testserver/echo") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "ada said hello"
            client.post("/api/sign-out")
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_text()
        assert closed.value.code == 4001
