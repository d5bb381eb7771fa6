"""Downloading a model of the catalogue, the only thing in vidcolor that uses a network.

The file is built up under a name of its own and appears under its true one once its SHA-256 is
right. What an interrupted download left is kept and continued, from another mirror too: whatever
does not fit together, the digest tells.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from filelock import FileLock, Timeout

from vidcolor.errors import ModelError
from vidcolor.models.catalog import CATALOG, Model
from vidcolor.models.checkpoint import digest

Progress = Callable[[int, int | None], None]
"""Told how many bytes there are, and how many there will be if the server says."""

_PATIENCE = 30
"""Seconds without a byte after which a mirror is given up."""
_CHUNK = 1 << 18


def find_entry(name: str) -> Model:
    """The model of that name. Raises ModelError when it is unknown or needs no download."""
    known = {model.name: model for model in CATALOG if not model.shipped}
    if name not in known:
        raise ModelError(f"model {name!r}: not one to download; these are: {', '.join(known)}")
    return known[name]


def pull(
    model: Model, progress: Progress | None = None, note: Callable[[str], None] | None = None
) -> Path:
    """Install ``model``, and return its path; uses no network if it is there and whole.

    ``note`` is told in one line what goes on. Another process that pulls the same model is waited
    for. Raises ModelError when no mirror delivers, or the folder cannot be written.
    """
    progress = progress or (lambda done, total: None)
    note = note or (lambda line: None)
    path = model.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path, note):
            if path.is_file():
                if digest(path) == model.sha256:
                    return path
                note(f"{path}: its SHA-256 is wrong; downloading it again")
            _install(model, path, progress, note)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


@contextmanager
def _alone(path: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Waits until no other process pulls ``path``."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        note(f"{path.name}: another process is downloading it; waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _install(model: Model, path: Path, progress: Progress, note: Callable[[str], None]) -> None:
    part = path.with_name(f".{path.name}.part")
    told, gone = "", True
    for address in model.mirrors:
        if told:
            note(told)
        note(f"{'continuing' if part.exists() else 'downloading'} {address}")
        try:
            _fetch(model, address, part, progress)
        except _MirrorError as error:
            told = f"{address}: {error}"
            gone = gone and isinstance(error, _OtherFileError)
        except KeyboardInterrupt:
            if part.exists():
                note(_kept(part))
            raise
        else:
            os.replace(part, path)
            return
    if part.exists():
        told += f"; {_kept(part)}"
    raise ModelError(
        f"model {model.name!r}: no mirror delivered it ({told}); "
        f"{'' if gone else 'try again later, or '}put the file {path.name} into {path.parent} "
        "yourself"
    )


def _kept(part: Path) -> str:
    return f"{part.stat().st_size} bytes are kept, and the same command goes on from there"


class _MirrorError(Exception):
    """This address did not deliver; another may."""


class _OtherFileError(_MirrorError):
    """What it has under this address is another file, now and later."""


def _fetch(model: Model, address: str, part: Path, progress: Progress) -> None:
    """Make ``part`` the whole file, or raise _MirrorError."""
    resumed = part.exists()
    _append(model, address, part, progress)
    if digest(part) == model.sha256:
        return
    size = part.stat().st_size
    part.unlink()
    if not resumed:
        if size < model.megabytes * 5e5:
            raise _OtherFileError(
                f"what it has there is another file, of {size} bytes instead of "
                f"{model.megabytes} MB"
            )
        raise _MirrorError("wrong SHA-256")
    # The older piece may have been to blame: once more, from the beginning.
    _fetch(model, address, part, progress)


def _append(model: Model, address: str, part: Path, progress: Progress) -> None:
    """Add to ``part`` what it lacks of the file at ``address``.

    Raises _MirrorError when that does not work out; what has come stays in ``part``.
    """
    have = part.stat().st_size if part.exists() else 0
    response = _open(address, have)
    if response is None:
        return
    with response:
        if have and response.status != 206:
            # This server begins again whatever it was asked for.
            _anew(model, response, part, progress)
        else:
            _receive(response, part, have, progress)


def _anew(model: Model, response: HTTPResponse, part: Path, progress: Progress) -> None:
    """Make ``part`` what comes, if that is more than it holds, or the file itself.

    It may be a page that tells of a quota, or asks for a password.
    """
    new = part.with_name(f"{part.name}.new")
    try:
        _receive(response, new, 0, progress)
    finally:
        size = new.stat().st_size
        better = size > part.stat().st_size or digest(new) == model.sha256
        if better:
            os.replace(new, part)
        else:
            new.unlink()
    if not better:
        raise _MirrorError(f"what it has there, of {size} bytes, is less than what is kept")


def _receive(response: HTTPResponse, file: Path, have: int, progress: Progress) -> None:
    """Write what comes into ``file`` from byte ``have`` on."""
    length = response.headers.get("Content-Length")
    total = have + int(length) if length and length.isdecimal() else None
    with file.open("r+b" if have else "wb") as out:
        out.seek(have)
        while chunk := _read(response):
            out.write(chunk)
            have += len(chunk)
            progress(have, total)
    if total is not None and have < total:
        raise _MirrorError(f"broke off after {have} of {total} bytes")


def _open(address: str, have: int) -> HTTPResponse | None:
    """The answer to a request for all after ``have`` bytes; None if there is no more."""
    # Compressed on the way, the bytes could neither be counted nor continued.
    headers = {"User-Agent": "vidcolor", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response: HTTPResponse = urlopen(Request(address, headers=headers), timeout=_PATIENCE)
    except HTTPError as error:
        error.close()
        if error.code == 416 and have:
            return None
        raise _MirrorError(f"{error.code} {error.reason}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise _MirrorError(str(getattr(error, "reason", "") or error)) from error
    if response.status == 206:
        begin = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if begin != str(have):
            response.close()
            raise _MirrorError(f"answered with another range than asked for: {begin or 'none'}")
    return response


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, HTTPException) as error:
        raise _MirrorError(f"broke off: {error}") from error
