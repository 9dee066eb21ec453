"""Requests to the CPU server's application, as an ASGI server would hand them over; a client may leave in between."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    """What the client got."""

    status: int
    text: str

    @property
    def content(self) -> Any:
        """The body, parsed."""
        return json.loads(self.text)

    @property
    def error(self) -> dict[str, Any]:
        """Of a refusal."""
        return self.content["error"]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Of a stream."""
        lines = (line.removeprefix("data: ") for line in self.text.splitlines() if line.startswith("data: "))
        return [json.loads(line) for line in lines]


async def ask(app: Any, path: str, body: Any, left: asyncio.Event | None = None) -> Answer:
    """Asks, and leaves when told to."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    pending: list[dict[str, Any]] = [{"type": "http.request", "body": raw, "more_body": False}]
    answered = asyncio.Event()
    status, parts = 0, []

    async def receive() -> dict[str, Any]:
        if pending:
            return pending.pop()
        await (left or answered).wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            return
        parts.append(message["body"])
        if not message.get("more_body", False):
            answered.set()

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1"}
    where = {"method": "POST", "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b""}
    await app({**scope, **where, "headers": headers, "client": None, "server": None}, receive, send)
    return Answer(status, b"".join(parts).decode())
