"""The yardstick: Flask reads the JSON and gives one and the same card back."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response, jsonify, request

app = Flask(__name__)
_ANSWER = app.json.loads(Path(os.environ["BENCH_ANSWER"]).read_text("utf-8"))


@app.post("/cds-services/bone-density-imaging")
def answer() -> Response:
    """Parse the body, answer with the card that ours gave."""
    request.get_json()
    return jsonify(_ANSWER)
