"""Going through a film to find its shots, without colouring anything: ``find_shots(film)``.

Nothing here needs a network, so nothing here loads PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from vidcolor.media.count import frames_before
from vidcolor.media.damage import DecodeReport
from vidcolor.media.decode import decode
from vidcolor.plan import examine, expected_frames, losses, short_range, small_size
from vidcolor.report import Progress
from vidcolor.scenes import find_cuts
from vidcolor.settings import Settings
from vidcolor.shots import Shot, ShotList, clock


@dataclass(frozen=True, slots=True)
class FoundShot:
    """A shot as it was found; both frame numbers belong to it.

    ``start`` is in seconds since the film's first frame, ``length`` in seconds.
    """

    first_frame: int
    last_frame: int
    start: Fraction
    length: Fraction


@dataclass(frozen=True, slots=True)
class Survey:
    """The shots of a film, or of a range of it, in order."""

    source: str
    shots: tuple[FoundShot, ...]

    def to_list(self) -> ShotList:
        """The shot list to edit.

        Of a range, its first frame is not listed: a job over that range begins a shot there
        anyway, and in the film it may lie in the middle of one.
        """
        later = [Shot(shot.first_frame, {"start": clock(shot.start)}) for shot in self.shots[1:]]
        first = Shot(0, {"start": clock(Fraction(0))})
        return ShotList((first, *later), self.source, self.shots[-1].last_frame + 1)

    def to_text(self) -> str:
        """A table: number, first and last frame, start, length in seconds."""
        rows = [f"{'shot':>5}{'first':>9}{'last':>9}  {'start':<13}{'length':>10}"]
        rows += [
            f"{number:5}{shot.first_frame:9}{shot.last_frame:9}  {clock(shot.start):<13}"
            f"{float(shot.length):8.3f} s"
            for number, shot in enumerate(self.shots, 1)
        ]
        return "\n".join(rows)


def find_shots(
    source: Path | str,
    settings: Settings = Settings(),
    *,
    progress: Callable[[Progress], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Survey:
    """Decode the film ``source``, or the range in ``settings``, and find where shots begin.

    The same detector on the same small pictures as when the film is coloured, so its list changes
    nothing until it is edited. Frames are numbered from the film's first one, also in a range.
    ``warn`` is told, one line each, what is wrong with the film.

    Raises SourceError when it cannot be read, UsageError when the range holds no frame.
    """
    info = examine(source, settings)
    total = expected_frames(info, settings)
    before = frames_before(info, settings.range.start or Fraction(0), settings.limits)
    offset = before.count
    damage = DecodeReport()
    step = 1 / info.average_rate if info.average_rate else Fraction(0)
    begins: list[tuple[int, Fraction]] = []
    after, end = offset, Fraction(0)
    decoded = decode(info, settings.range, damage, settings.limits, sought=before.sought)
    with closing(decoded) as frames:
        for done, item in enumerate(find_cuts(frames, small_size(info, settings)), 1):
            frame = item.frame
            at = frame.pts * info.time_base
            if item.cut:
                begins.append((frame.index + offset, at))
            after, end = frame.index + offset + 1, at + (frame.duration * info.time_base or step)
            if progress is not None:
                progress(Progress(done, total))
    for line in (*short_range(info, settings), *losses(info, settings, damage)):
        if warn is not None:
            warn(line)
    origin = (info.start_pts or 0) * info.time_base
    found = [
        FoundShot(first, following - 1, start - origin, until - start)
        for (first, start), (following, until) in pairwise([*begins, (after, end)])
    ]
    return Survey(info.path.name, tuple(found))
