"""Clients that go away: what was being computed for them is cancelled.

transformers' server notices it for streams alone; a whole answer would be generated to its end while others wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class EndsWithClient:
    """ASGI middleware that cancels a request when its client has gone (ASGI's `http.disconnect`)."""

    def __init__(self, app: App) -> None:
        """Wraps an application."""
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received: asyncio.Queue[Message] = asyncio.Queue()
        sent = left = False

        async def sending(message: Message) -> None:
            nonlocal sent
            await send(message)
            sent = message["type"] == "http.response.body" and not message.get("more_body", False)

        async def watch() -> None:
            nonlocal left
            while not left:
                message = await receive()
                left = message["type"] == "http.disconnect"
                received.put_nowait(message)
            # Servers say `disconnect` after every answer, too.
            if not sent:
                answering.cancel()

        answering = asyncio.ensure_future(self.app(scope, received.get, sending))
        watching = asyncio.create_task(watch())
        try:
            await answering
        except asyncio.CancelledError:
            if not left:
                raise
        finally:
            answering.cancel()
            watching.cancel()
