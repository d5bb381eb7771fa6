"""The studio's server, on this machine alone unless told otherwise: ``serve``."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from vidcolor.errors import UsageError
from vidcolor.settings import Settings
from vidcolor.studio.confinement import Folder
from vidcolor.studio.routes import make_app
from vidcolor.studio.session import Session

PORT = 8765
"""The port that is tried first, where none is named; then the next ones."""
_TRIED = 20
_LOCAL = ("127.0.0.1", "localhost", "::1")
_EVERYWHERE = ("", "0.0.0.0", "::", "*")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the studio is to be reached; ``port`` None is the first that is free."""

    host: str = "127.0.0.1"
    port: int | None = None


def serve(
    folder: Path,
    film: Path | None,
    presets: Mapping[str, Settings],
    place: Place,
    *,
    upload_limit: int,
    say: Callable[[str], None],
    opened: Callable[[str], None] = lambda address: None,
    given: Sequence[str] = (),
) -> None:
    """Serve the studio until Ctrl-C. ``say`` is told, one line each, where it is and what else is
    to be known; ``opened``, when it can be reached, its address. ``presets`` are settings by name,
    with what was ``given`` on the command line.

    Raises KeyboardInterrupt in the end, UsageError for a port that is in use, and what opening
    ``film`` raises.
    """
    inside = Folder(folder)
    name = None if film is None else inside.name(film)
    with listening(place) as listener, Session(inside, presets, given) as session:
        if name is not None:
            session.open(name)
        host, port = listener.getsockname()[:2]
        address = f"http://{_bracketed(host)}:{port}/"
        hosts = [f"{_bracketed(it)}:{port}" for it in {host, *(_LOCAL if host in _LOCAL else ())}]
        hosts.append(f"{_bracketed(place.host)}:{port}")
        app = make_app(session, hosts, upload_limit, lambda: server.should_exit)
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=2, server_header=False
        )
        server = uvicorn.Server(config)
        say(f"{address}  (folder {inside.root}; Ctrl-C ends it)")
        if host not in _LOCAL:
            say(f"anyone who can reach {host} can read and write films in this folder")
        opened(address)
        try:
            # Once it has ended by Ctrl-C in good order, uvicorn raises that again.
            server.run(sockets=[listener])
        finally:
            for line in unfinished(session):
                say(line)


def unfinished(session: Session) -> Iterator[str]:
    """What a studio that ends now leaves unfinished, one line each."""
    worker = session.worker
    if worker.running and worker.work is not None:
        kept = "; what is finished is kept, and the same work goes on from there"
        yield f"{worker.what}: stopped{kept * (worker.work.kind == 'film')}"
    if session.now is not None and session.now.history.changed:
        name = session.now.film.path.name
        yield f"{name}: its changes were not saved; they are there again when it is next opened"


def listening(place: Place) -> socket.socket:
    """A socket at ``place``. Raises UsageError."""
    if place.host in _EVERYWHERE:
        raise UsageError(
            f"--host {place.host}: name the one address the studio is to be reached under"
        )
    ports = range(PORT, PORT + _TRIED) if place.port is None else (place.port,)
    for port in ports:
        try:
            return _bound(place.host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                why = error.strerror or str(error)
                raise UsageError(f"--host {place.host}: port {port}: {why}") from error
    if place.port is None:
        raise UsageError(f"ports {PORT} to {PORT + _TRIED - 1} are all in use; name one by --port")
    raise UsageError(f"--port {place.port}: in use; name another, or leave it out")


def _bound(host: str, port: int) -> socket.socket:
    (family, kind, proto, _, address), *_ = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    listener = socket.socket(family, kind, proto)
    try:
        # A port that was in use a moment ago may be taken again.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
