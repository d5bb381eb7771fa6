"""Who may ask: this machine's own page alone. ASGI middleware, and the headers of every answer.

A page of any other site can make a browser send requests to this machine. Such a request names
that site as its Origin, or its host (a name that was made to point here: DNS rebinding), and is
refused; what changes anything needs a header that no other site's page can send without asking.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "x-vidcolor"
"""A header that the studio's page sends with every change."""
_SAFE = ("GET", "HEAD")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Guard:
    """Lets through to ``app`` what is addressed to one of ``hosts`` (``name:port``) by its page."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        # Browsers leave out the port that is usual.
        self._hosts |= {h.removesuffix(":80") for h in self._hosts if h.endswith(":80")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        why = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        if why is None:
            await self._app(scope, receive, answer)
        else:
            await _refuse(why, answer)

    def _refusal(self, method: str, path: str, headers: Headers) -> str | None:
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return f"this studio is not called {host or 'nothing'}; open {min(self._hosts)}"
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return f"a page of {origin} may not use this studio"
        # Browsers tell who asks; going to the page itself by a link is all that others may do.
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not (
            path == "/" and method in _SAFE and headers.get("sec-fetch-mode") == "navigate"
        ):
            return "another site's page may not use this studio"
        if method not in _SAFE and TOKEN not in headers:
            return f"a change needs the header {TOKEN}"
        return None


async def _refuse(why: str, send: Send) -> None:
    body = json.dumps({"error": why}).encode()
    headers: list[tuple[bytes, Any]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
