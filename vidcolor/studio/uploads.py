"""Files that a browser sends: bounded, taken in piece by piece, in place whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from vidcolor.disk import check_room, put_in_place
from vidcolor.errors import TargetExistsError, UsageError
from vidcolor.studio.faults import TooLargeError
from vidcolor.textfile import writing


async def receive(
    pieces: AsyncIterator[bytes], announced: str | None, most: int, target: Path
) -> Path:
    """Write what comes as ``pieces`` into the new file ``target``.

    ``announced`` is the request's Content-Length, if it has one; ``most`` how many bytes are taken.
    Raises TooLargeError, TargetExistsError, TargetError, UsageError for nothing at all.
    """
    size = int(announced) if announced and announced.isdecimal() else 0
    if size > most:
        raise TooLargeError(_too_large(target, most))
    _check_new(target)
    check_room(target.parent, size, target)
    part = target.with_name(f".vidcolor.{secrets.token_hex(8)}.part")
    taken = 0
    try:
        with writing(target, "upload"):
            with part.open("xb") as file:
                async for piece in pieces:
                    taken += len(piece)
                    if taken > most:
                        raise TooLargeError(_too_large(target, most))
                    await run_in_threadpool(file.write, piece)
            if not taken:
                raise UsageError(f"{target.name}: the upload is empty")
            if size and taken < size:
                raise UsageError(f"{target.name}: the upload broke off; send it again")
            _check_new(target)
            await run_in_threadpool(put_in_place, part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _check_new(target: Path) -> None:
    if target.exists():
        raise TargetExistsError(f"{target.name}: exists already; rename one of the two")


def _too_large(target: Path, most: int) -> str:
    return (
        f"{target.name}: larger than the {most / 1e6:.0f} MB that an upload may have; put it into "
        "the studio's folder yourself, or start with a larger --upload-limit"
    )
