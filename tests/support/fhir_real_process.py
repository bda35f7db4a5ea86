"""The process behind `fhir_real.real_server`: one line of JSON in, its base URL out, then serving.

Only this module knows sekmet-fhir. The rows are written through its store, not over HTTP:
3,100 resources take about a second instead of eight.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from typing import Any

import uvicorn
from sekmet.config import Settings
from sekmet.main import create_app

_PUBLIC = ("/fhir", "/auth", "/.well-known")


def main() -> None:
    """Reads the order, loads the resources, serves until the parent ends."""
    order = json.loads(sys.stdin.readline())
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
    app = create_app(_settings(base, order))
    store = app.state.ctx.store
    store.kv_set("jwt_secret", order["secret"])
    store.listeners.clear()  # neither the simulator nor subscriptions react to what is loaded
    with store.transaction():
        for resource in order["resources"]:
            store.update(resource)
    store.query("ANALYZE")  # without it a sorted search takes seconds
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    config = uvicorn.Config(_fhir_only(app), log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    print(base, flush=True)  # the socket listens already: early requests wait in its queue
    server.run(sockets=[listener])


def _settings(base: str, order: dict[str, Any]) -> Settings:
    return Settings.model_validate(
        {
            "base_url": base,
            "host": "127.0.0.1",
            "data_dir": os.devnull,  # for bulk exports, which no test asks for
            "db_path": ":memory:",
            "log_inbound": False,
            "simulator": {"enabled": False},
            "validation": {"inbound": "off"},
            "server_behaviour": {"absolute_references": order["absolute_references"]},
            "server_auth": {
                "types": ["smart" if order["tokens_needed"] else "none"],
                "smart_clients": [
                    {
                        "client_id": order["client_id"],
                        "client_secret": order["secret"],
                        "scopes": "system/*.rs",
                    }
                ],
            },
        }
    )


def _fhir_only(app: Any) -> Any:
    """Without the console, the API pages and the notification hooks, which ask for no token."""

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_PUBLIC):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await app(scope, receive, send)

    return guarded


def _end_with_the_parent() -> None:
    """A closed standard input means that the test run is gone, however it ended."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
