"""A CDS service for tests that puts an ultrasound of the heel into the sandbox's imaging view.

The imaging list of the CDS Hooks sandbox holds no such order, and the view takes an order from a
card's suggestion as well as from its list. This service asks for no token and judges nothing.
`python tests/support/sandbox_ordering.py PORT` serves it on this machine until Ctrl-C.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

SERVICE_ID = "order-heel-ultrasound"
PATH = f"/cds-services/{SERVICE_ID}"
HEEL_ULTRASOUND = {
    "system": "http://www.ama-assn.org/go/cpt",
    "code": "76977",
    "display": "Ultrasound bone density, heel",
}
_RATING = {
    "url": "http://fhir.org/argonaut/Extension/pama-rating",
    "valueCodeableConcept": {
        "coding": [
            {
                "system": "http://fhir.org/argonaut/CodeSystem/pama-rating",
                "code": "no-guidelines-apply",
            }
        ]
    },
}
_DISCOVERY = {
    "services": [
        {
            "hook": "order-select",
            "id": SERVICE_ID,
            "title": "Order an ultrasound of the heel (test)",
            "description": "Offers a blank imaging order an ultrasound of the heel.",
        }
    ]
}


def answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """One card for a blank imaging order, none for anything else."""
    blank = [draft for draft in _drafts(body) if _is_blank(draft)]
    return {"cards": [_card(draft) for draft in blank]}


def _drafts(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = body.get("context", {}).get("draftOrders", {}).get("entry", [])
    return [entry["resource"] for entry in entries]


def _is_blank(draft: Mapping[str, Any]) -> bool:
    codings = draft.get("code", {}).get("coding", [])
    return draft["resourceType"] == "ServiceRequest" and not any(
        coding.get("code") for coding in codings
    )


def _card(draft: Mapping[str, Any]) -> dict[str, Any]:
    order = {
        **draft,
        "code": {"coding": [HEEL_ULTRASOUND], "text": HEEL_ULTRASOUND["display"]},
        "extension": [_RATING],
    }
    return {
        "uuid": "6d3f2a5c-6a0e-4a4d-9c37-1d1f0b6f5b10",
        "summary": "Test service: orders that the imaging list does not hold",
        "indicator": "info",
        "source": {"label": "Test service"},
        "suggestions": [
            {
                "uuid": "6d3f2a5c-6a0e-4a4d-9c37-1d1f0b6f5b11",
                "label": "Order ultrasound of the heel",
                "actions": [
                    {
                        "type": "update",
                        "description": "Order ultrasound of the heel",
                        "resource": order,
                    }
                ],
            }
        ],
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_OPTIONS(self) -> None:
        self._say(204)

    def do_GET(self) -> None:
        self._say(200, _DISCOVERY) if self.path == "/cds-services" else self._say(404, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == PATH:
            self._say(200, answer(body))
        else:
            self._say(200 if self.path == f"{PATH}/feedback" else 404, {})

    def _say(self, status: int, document: Mapping[str, Any] | None = None) -> None:
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "authorization, content-type")
        self.send_header("Access-Control-Allow-Methods", "GET, POST")
        if document is not None:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def ordering_service(port: int = 0) -> Iterator[str]:
    """Serves on this loopback port (0: any free one); gives the address of its discovery."""
    with ThreadingHTTPServer(("127.0.0.1", port), _Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/cds-services"
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """Serves until Ctrl-C."""
    with ordering_service(int(sys.argv[1])) as discovery:
        print(f"add the service {discovery}", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
