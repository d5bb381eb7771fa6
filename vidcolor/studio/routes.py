"""The studio's addresses: the page, and what it asks for. Every error is one line of JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from vidcolor.errors import SourceError, SourceNotFoundError, UsageError, VidcolorError
from vidcolor.jobs.found import FILMS
from vidcolor.media.probe import probe
from vidcolor.studio import snapshot
from vidcolor.studio.confinement import called_film
from vidcolor.studio.faults import ConflictError, status_of
from vidcolor.studio.guard import Guard
from vidcolor.studio.queries import frame_of, json_of, share_of, whole_of
from vidcolor.studio.session import Opened, Session
from vidcolor.studio.uploads import receive

PAGE = Path(str(files("vidcolor.studio") / "page"))
_LARGEST_STILL = 64 << 20
_NEWS = 0.15
"""Seconds between two looks for news."""
_BEAT = 15.0
"""Seconds after which a silent page is told that the server is there."""


def make_app(
    session: Session,
    hosts: list[str],
    upload_limit: int,
    ending: Callable[[], bool] = lambda: False,
) -> Starlette:
    """The application, reached under ``hosts`` (``name:port``); uploads of films have at most
    ``upload_limit`` bytes. Streams of news end once ``ending`` is true."""
    routes = Routes(session, upload_limit, ending)
    return Starlette(
        routes=[
            Route("/", _page),
            Route("/api/news", routes.news),
            Route("/api/folder", routes.folder),
            Route("/api/open", routes.open, methods=["POST"]),
            Route("/api/upload", routes.upload, methods=["POST"]),
            Route("/api/frames/{frame}/before.jpg", routes.before),
            Route("/api/frames/{frame}/after.jpg", routes.after),
            Route("/api/frames/{frame}/likely", routes.likely),
            Route("/api/references", routes.add_reference, methods=["POST"]),
            Route("/api/references/{name}", routes.reference),
            Route("/api/references/{name}", routes.remove_reference, methods=["DELETE"]),
            Route("/api/steps", routes.step, methods=["POST"]),
            Route("/api/save", routes.save, methods=["POST"]),
            Route("/api/work", routes.start, methods=["POST"]),
            Route("/api/work", routes.stop, methods=["DELETE"]),
            Route("/api/clip", routes.clip),
            Route("/api/film", routes.film),
            Mount("/page", StaticFiles(directory=PAGE)),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={
            VidcolorError: _failed,
            HTTPException: _refused,
            ClientDisconnect: _left,
        },
    )


class Routes:
    """The handlers. ``film`` in a query is the number of the film that the page has open."""

    def __init__(self, session: Session, upload_limit: int, ending: Callable[[], bool]) -> None:
        self._session = session
        self._upload_limit = upload_limit
        self._ending = ending

    async def news(self, request: Request) -> Response:
        """Server-sent events: ``state`` and ``work``, at first and whenever they change."""
        return StreamingResponse(
            self._told(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    async def _told(self) -> AsyncIterator[str]:
        session = self._session
        state_told, work_told, silent = -1, -1, 0.0
        while not self._ending():
            silent += _NEWS
            # The numbers first: what changes after that is told of the next time.
            state_now, work_now = session.version, session.worker.version
            if state_now != state_told:
                yield _event("state", await run_in_threadpool(snapshot.state, session))
                state_told, silent = state_now, 0.0
            if work_now != work_told:
                yield _event("work", snapshot.work(session))
                work_told, silent = work_now, 0.0
            if silent >= _BEAT:
                yield ":\n\n"
                silent = 0.0
            await asyncio.sleep(_NEWS)

    async def folder(self, request: Request) -> Response:
        name = request.query_params.get("path", "")
        found = await run_in_threadpool(self._session.folder.listing, name)
        return JSONResponse(
            {"path": found.path, "folders": found.folders, "films": found.films, "cut": found.cut}
        )

    async def open(self, request: Request) -> Response:
        asked = await json_of(request, path=str, discard=bool)
        await run_in_threadpool(
            self._session.open, asked.get("path", ""), discard=asked.get("discard", False)
        )
        return JSONResponse({})

    async def upload(self, request: Request) -> Response:
        folder = self._session.folder
        where = folder.path(request.query_params.get("path", ""))
        if not where.is_dir():
            raise UsageError(f"{where.name}: not a folder")
        target = folder.beside(where / "film", request.query_params.get("name", ""))
        if not called_film(target):
            raise UsageError(
                f"{target.name}: not called as a film is; names of films end in "
                f"{', '.join(sorted(FILMS))}"
            )
        announced = request.headers.get("content-length")
        path = await receive(request.stream(), announced, self._upload_limit, target)
        try:
            await run_in_threadpool(probe, path, self._session.base.limits)
        except SourceError:
            path.unlink(missing_ok=True)
            raise
        return JSONResponse({"path": folder.name(path)})

    async def before(self, request: Request) -> Response:
        frame = frame_of(request)
        return await self._picture(request, lambda opened: opened.pictures.before(frame))

    async def after(self, request: Request) -> Response:
        frame, tallest = frame_of(request), whole_of(request, "tallest")

        def make(opened: Opened) -> bytes:
            return opened.pictures.after(frame, self._session.settings(opened), tallest)

        return await self._picture(request, make)

    async def likely(self, request: Request) -> Response:
        frame = frame_of(request)
        place = (share_of(request, "x"), share_of(request, "y"))
        found = await run_in_threadpool(
            self._session.picture,
            whole_of(request, "film"),
            lambda opened: opened.pictures.likely(frame, place),
        )
        return JSONResponse(
            [{"color": "#{:02x}{:02x}{:02x}".format(*c), "share": round(s, 3)} for c, s in found]
        )

    async def add_reference(self, request: Request) -> Response:
        session, number = self._session, whole_of(request, "film")
        frame, name = whole_of(request, "frame") or 0, request.query_params.get("name", "")
        plain = session.folder.beside(session.made.scratch / "still", name)
        await receive(
            request.stream(), request.headers.get("content-length"), _LARGEST_STILL, plain
        )
        try:
            await run_in_threadpool(session.add_reference, number, plain, frame)
        finally:
            plain.unlink(missing_ok=True)
        return JSONResponse({})

    async def reference(self, request: Request) -> Response:
        opened = self._session.opened(whole_of(request, "film"))
        for item in opened.kept.stills():
            if item.path.name == request.path_params["name"]:
                return FileResponse(self._session.folder.path(self._session.folder.name(item.path)))
        raise SourceNotFoundError("this film has no such reference")

    async def remove_reference(self, request: Request) -> Response:
        name, number = request.path_params["name"], whole_of(request, "film")
        await run_in_threadpool(self._session.remove_reference, number, name)
        return JSONResponse({})

    async def step(self, request: Request) -> Response:
        """One change, see `vidcolor.studio.steps`; answers with its result and the new state."""
        asked = await json_of(request)
        number = whole_of(request, "film")
        result = await run_in_threadpool(self._session.change, number, asked)
        state = await run_in_threadpool(snapshot.state, self._session)
        return JSONResponse({"result": result, "state": state})

    async def save(self, request: Request) -> Response:
        asked = await json_of(request, replace=bool)
        names, notes = await run_in_threadpool(
            self._session.save, whole_of(request, "film"), replace=asked.get("replace", False)
        )
        return JSONResponse({"files": names, "notes": notes})

    async def start(self, request: Request) -> Response:
        asked = await json_of(
            request, kind=str, frame=int, split=bool, name=str, preset=str, overwrite=bool
        )
        number = whole_of(request, "film")
        session, kind = self._session, asked.get("kind")
        if kind == "shots":
            begun = await run_in_threadpool(session.find_shots, number)
        elif kind == "clip":
            begun = await run_in_threadpool(
                session.make_clip, number, asked.get("frame", 0), split=asked.get("split", False)
            )
        elif kind == "film":
            begun = await run_in_threadpool(
                session.run,
                number,
                asked.get("name", ""),
                asked.get("preset", "default"),
                overwrite=asked.get("overwrite", False),
            )
        else:
            raise UsageError(f"{kind!r} is no work; give shots, clip or film")
        return JSONResponse({"number": begun}, 202)

    async def stop(self, request: Request) -> Response:
        self._session.worker.stop()
        return JSONResponse({}, 202)

    async def clip(self, request: Request) -> Response:
        return FileResponse(self._session.made.last("clip"), media_type="video/mp4")

    async def film(self, request: Request) -> Response:
        path = self._session.made.last("film")
        return FileResponse(path, filename=path.name, content_disposition_type="attachment")

    async def _picture(self, request: Request, make: Callable[[Opened], bytes]) -> Response:
        number = whole_of(request, "film")
        data = await run_in_threadpool(self._session.picture, number, make)
        return Response(data, media_type="image/jpeg")


async def _page(request: Request) -> Response:
    return FileResponse(PAGE / "index.html")


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, VidcolorError)
    told = {"error": " ".join(str(error).split())}
    if isinstance(error, ConflictError) and error.unless is not None:
        told["unless"] = error.unless
    return JSONResponse(told, status_of(error))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    told = {"error": f"{request.url.path}: {error.detail}"}
    return JSONResponse(told, error.status_code, headers=error.headers)


async def _left(request: Request, error: Exception) -> Response:
    """The page was closed in the middle of a request: there is nobody to tell."""
    return Response(status_code=400)


def _event(name: str, value: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"
