"""A device that decodes, for machines without one: FFmpeg's software behind the same doors."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pytest

from vidcolor.errors import SourceError
from vidcolor.media.decoder import undamaged
from vidcolor.media.source import open_source
from vidcolor.settings import LimitSettings

NAME = "cuda"
_LEFT_IN = {
    "yuv420p": "nv12",
    "yuvj420p": "nv12",
    "yuv422p": "nv16",
    "yuv444p": "nv24",
    "yuv420p10le": "p010le",
    "yuv422p10le": "p210le",
}


@dataclass
class Device:
    """What the stand-in does. Its pictures are those of software, as a device leaves them."""

    here: bool = True
    opens: bool = True
    """Whether it can be opened for a film, being here."""
    takes: bool = True
    """Whether it decodes what it is given; else FFmpeg's software does, unasked."""
    gives: str | None = None
    """The pixel format of its pictures, if not the usual one."""
    fails_at: int | None = None
    """The picture of each reading at which it gives up."""
    changed_by: int = 0
    """Added to the first byte of the luma of each picture."""
    read: int = 0
    """Pictures it has given."""
    _films: set[int] = field(default_factory=set)

    @contextmanager
    def open(
        self, path: Path, limits: LimitSettings = LimitSettings(), hardware: Any = None
    ) -> Iterator[Any]:
        """In place of `open_source`."""
        with open_source(path, limits) as source:
            if hardware is self:
                if not self.opens:
                    raise SourceError(f"{path}: not a film that can be read: permission denied")
                self._films.add(id(source))
            yield source
            self._films.discard(id(source))

    def undamaged(self, source: Any, stream: Any) -> Generator[av.VideoFrame]:
        """In place of `undamaged`."""
        pictures = undamaged(source, stream)
        if id(source) not in self._films or not self.takes:
            yield from pictures
            return
        for number, picture in enumerate(pictures):
            if number == self.fails_at:
                raise av.InvalidDataError(1094995529, "the device is gone")
            own = picture.format.name
            span = 2 if own.startswith("yuvj") else 1
            # Same range and matrix on both sides, and one thread: then it is only moved.
            left = picture.reformat(
                format=self.gives or _LEFT_IN[own],
                src_color_range=span,
                dst_color_range=span,
                src_colorspace="ITU601",
                dst_colorspace="ITU601",
                threads=1,
            )
            if self.changed_by:
                codes = memoryview(left.planes[0])
                codes[0] = (codes[0] + self.changed_by) % 256
            self.read += 1
            yield left


def stand_in(monkeypatch: pytest.MonkeyPatch) -> Device:
    """Puts a device that decodes, called ``cuda``, into this machine."""
    made = Device()
    monkeypatch.setattr("vidcolor.media.devices.known", lambda: (NAME,))
    monkeypatch.setattr("vidcolor.media.devices._opens", lambda name: made.here)
    monkeypatch.setattr("vidcolor.media.decoder.accelerator", lambda name: made)
    monkeypatch.setattr("vidcolor.media.decoder.open_source", made.open)
    monkeypatch.setattr("vidcolor.media.trial.decodes", lambda name, stream: made.takes)
    monkeypatch.setattr("vidcolor.media.trial.undamaged", made.undamaged)
    monkeypatch.setattr("vidcolor.media.reader.undamaged", made.undamaged)
    return made
