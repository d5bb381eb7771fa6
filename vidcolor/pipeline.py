"""From a film to coloured pictures: a chain of generators, read from top to bottom.

::

    decode -> find_cuts -> mark -> in_chunks -> motions -> choose_keys -> told -> colorize
           -> stabilize -> grade -> paint

What is known of the film's colours, `vidcolor.guide` finds out before, in a pass of its own.

No stage starts threads; `Prefetch` decides where one ends and the next begins, and the pools for
motion and network are given to the stages that use them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from vidcolor.chunks import ChunkLength, check, in_chunks, kept
from vidcolor.color import prepare
from vidcolor.colorize import colorize
from vidcolor.device import cores
from vidcolor.errors import UsageError
from vidcolor.fields import paint_fields
from vidcolor.frames import (
    ChunkStart,
    ColoredFrame,
    Frame,
    PaintedFrame,
    Place,
    SmallFrame,
    VideoInfo,
)
from vidcolor.keyframes import LinkedFrame, keyed
from vidcolor.look import Grading
from vidcolor.media.codecs import FieldMarks
from vidcolor.media.colortags import keeps_chroma
from vidcolor.media.count import Before, frames_before
from vidcolor.media.damage import DecodeReport
from vidcolor.media.decode import decode
from vidcolor.media.released import released
from vidcolor.models.colorizer import Colorizer
from vidcolor.noticed import mended
from vidcolor.paint import paint
from vidcolor.plan import small_size
from vidcolor.prefetch import Prefetch
from vidcolor.scenes import find_cuts, given_cuts
from vidcolor.settings import Settings
from vidcolor.shrink import shrink
from vidcolor.stabilize import stabilize
from vidcolor.stopwatch import Stopwatch
from vidcolor.tint import ColorWatch

if TYPE_CHECKING:
    from vidcolor.guide.survey import Guide

_AHEAD = 2
"""Frames that may wait before each thread: enough to hide hiccups, little enough for memory."""


class Pipeline:
    """The stages for one film, and what they noticed on the way.

    With ``length`` the frames come in chunks, see `vidcolor.chunks`. The stages run as long as the
    ``stack`` that is given to `colored` or `painted`, one of which may be called once; for `starts`
    alone no colorizer is needed. While the film is read through for known colours, ``followed`` is
    told after each frame how many were read. Raises UsageError where the settings ask for what this
    film cannot have.
    """

    def __init__(
        self,
        info: VideoInfo,
        settings: Settings,
        colorizer: Colorizer | None,
        watch: Stopwatch | None = None,
        length: ChunkLength | None = None,
        warn: Callable[[str], None] | None = None,
        followed: Callable[[int], None] | None = None,
    ) -> None:
        self._info = info
        self._settings = settings
        self._colorizer = colorizer
        self._watch = watch or Stopwatch()
        self._length = length
        self._grading = Grading(settings)
        self._warn = warn or (lambda line: None)
        self._followed = followed or (lambda frames: None)
        self._size = small_size(info, settings)
        # In a range by time, frames are numbered from its start.
        by_number = (
            settings.shots is not None
            or isinstance(settings.keep_color, tuple)
            or bool(settings.hints or settings.references)
        )
        start = settings.range.start or Fraction(0)
        told = frames_before(info, start, settings.limits) if by_number else Before(0)
        self._before, self._last, self._sought = told.count, told.last, told.sought
        if settings.keep_color is not None and not keeps_chroma(info):
            raise UsageError(
                f"{info.path}: its colour is coded in a way (matrix {info.tags.matrix} of H.273) "
                "that cannot be kept; leave --keep-colour out"
            )
        self.seen = ColorWatch(settings.keep_color, self._before, settings.range.first_frame or 0)
        self._damage = DecodeReport(recent=deque())
        self._counts: deque[Counter[str]] = deque()
        self._lean = False
        """Whether frames are but painted, and pictures let go of that nothing needs for it."""
        self.seeks = True
        """Whether the file's own times say which frame is meant; not where they were mended."""

    def notes(self, following: Frame | None = None) -> dict[str, Any]:
        """What was noticed, in values that JSON keeps, since the last time this was asked.

        To be asked for each chunk when it ends: ``following`` is the first frame of the next one,
        the stages being some frames ahead of it. At the end of the film, None."""
        if following is None:
            index = pts = None
            counts = sum(self._counts, Counter[str]())
        else:
            index, pts = following.index, following.pts
            counts = self._counts.popleft()
        return {
            "cuts": counts["cuts"],
            "kept": counts["kept"],
            "looks": self.seen.take(index),
            "damage": self._damage.take(pts),
        }

    def begin(self, frame: Frame) -> None:
        """What was noticed before ``frame``, the first of a chunk, is of no concern."""
        self.seen.take(frame.index)
        self._damage.begin(frame.pts)

    def recall(self, notes: Mapping[str, Any]) -> None:
        """Take the ``notes`` of earlier frames into account."""
        self.seen.recall(notes["looks"])
        self.seeks = self.seeks and not mended(notes)

    def starts(self, resume: ChunkStart | None = None) -> Generator[tuple[ChunkStart, bool]]:
        """Where the chunks begin, found without colouring anything, each with `seeks` for it."""
        with closing(self._decoded(resume)) as decoded:
            for small in self._cut(decoded, resume):
                if small.frame.start is not None:
                    self.seeks = self.seeks and not mended({"damage": self._damage.take()})
                    yield small.frame.start, self.seeks

    def painted(
        self,
        shape: tuple[int, int],
        marks: FieldMarks | None,
        stack: ExitStack,
        resume: ChunkStart | None = None,
        *,
        once: bool = False,
    ) -> Iterator[PaintedFrame]:
        """Each frame, from ``resume`` on, with chroma planes of ``shape`` (height, width): by
        fields where the target ``marks`` them. With ``once`` one chunk, and the next one's first
        frame, whose colour is of no use."""
        self._lean = True
        frames = self._watch.timed("wait for colour", self.colored(stack, resume, once=once))

        def stage() -> Iterator[PaintedFrame]:
            prepare(self._info.color)  # While the network is being made ready.
            if marks is None:
                return paint(frames, shape)
            return paint_fields(frames, shape, always=marks == "film")

        painted = Prefetch(lambda: self._watch.timed("paint", stage()), _AHEAD, "paint")
        return painted.run_in(stack)

    def colored(
        self, stack: ExitStack, resume: ChunkStart | None = None, *, once: bool = False
    ) -> Iterator[ColoredFrame]:
        """Each frame with its small colour, graded: a thread each up to the cuts, for the motion
        and for what follows it, and pools that match frames and run the network."""
        color, watch = self._settings.color, self._watch
        colorizer = self._colorizer
        assert colorizer is not None
        guide = self._guide(stack, colorizer)
        decoded = watch.timed("decode", self._decoded(resume))
        # After its thread has ended: a later stage's error would keep the source open with its
        # frames.
        stack.callback(decoded.close)
        small = Prefetch(
            lambda: watch.timed("shrink and find cuts", self._cut(decoded, resume, once=once)),
            _AHEAD,
            "decode",
        ).run_in(stack)
        waited = watch.timed("wait for frames", small)
        flows = stack.enter_context(ThreadPoolExecutor(max(1, cores() // 4), "vidcolor-flow"))
        linked: Iterator[LinkedFrame] = Prefetch(
            lambda: watch.timed("flow", keyed(waited, color.stabilize, color.keyframes, flows)),
            _AHEAD,
            "flow",
        ).run_in(stack)
        linked = watch.timed("wait for flow", linked)
        if guide is not None:
            linked = guide.told(linked)
        pool = stack.enter_context(ThreadPoolExecutor(1, "vidcolor-network"))
        network = watch.charged("colorize", pool)
        guessed = watch.timed(
            "wait for network",
            colorize(linked, colorizer, color.batch_size, self._info.quarter_turns, network),
        )
        steady = watch.timed("stabilize", stabilize(guessed, color.stabilize))
        graded = watch.timed("look", self._grading.apply(kept(steady), self._before))
        return Prefetch(lambda: self._counted(graded), _AHEAD, "color").run_in(stack)

    def _decoded(self, resume: ChunkStart | None) -> Generator[Frame]:
        """The film's frames; to resume, from the place to warm up from."""
        if resume is None:
            yield from self._read(self._damage)
            return
        place = resume.warm_up
        for seek in (True, False) if self.seeks and self._sought else (False,):
            frames = self._read(self._damage, place, seek=seek)
            first = next(frames, None)
            if first is not None and check(shrink(first, self._size)) == place.check:
                yield first
                yield from frames
                return
            frames.close()
        raise UsageError(
            f"{self._info.path}: its frame {place.index} is not the one it was when the work "
            "began; give --no-resume to begin anew"
        )

    def _read(
        self, damage: DecodeReport | None = None, since: Place | None = None, *, seek: bool = True
    ) -> Generator[Frame]:
        """`decode`, by the settings."""
        settings, sought = self._settings, self._sought
        return decode(
            self._info,
            settings.range,
            damage,
            settings.limits,
            since=since,
            seek=seek,
            sought=sought,
        )

    def _cut(
        self, frames: Iterable[Frame], resume: ChunkStart | None, *, once: bool = False
    ) -> Iterator[SmallFrame]:
        """The frames with their small lightness, in shots and chunks."""
        marked = self._marked(frames, self.seen, None if resume is None else resume.warm_up)
        if self._lean:
            marked = released(marked)
        if self._length is None:
            return marked
        return in_chunks(marked, self._length, resume, once=once)

    def _marked(
        self, frames: Iterable[Frame], seen: ColorWatch, since: Place | None = None
    ) -> Iterator[SmallFrame]:
        """The frames cut where the settings or the detector say, or their own look changes."""
        shots = self._settings.shots
        if shots is None:
            found = find_cuts(frames, self._size, since=since)
        else:
            found = given_cuts(frames, self._size, {start - self._before for start in shots})
        return seen.mark(found, since)

    def _guide(self, stack: ExitStack, colorizer: Colorizer) -> Guide | None:
        """What is known of the frames' colours, if anything is to be."""
        info, settings = self._info, self._settings
        if not settings.guided:
            return None
        # Imported here, as most films are coloured without, and all would wait for it.
        from vidcolor.guide.survey import Wishes, make_guide

        wishes = Wishes(
            settings.hints,
            settings.references,
            settings.color.reference_strength,
            self._before,
            info.start_pts or 0,
            info.time_base,
            info.quarter_turns,
            settings.color.remember,
            self._last,
        )

        def frames() -> Iterator[SmallFrame]:
            with closing(self._read()) as read:
                marked = self._marked(read, ColorWatch(settings.keep_color, self._before))
                for count, small in enumerate(marked, 1):
                    self._followed(count)
                    yield small

        with self._watch.running("follow hints"):
            guide = make_guide(frames, wishes, settings.color.short_side, colorizer, self._warn)
        return stack.enter_context(guide)

    def _counted(self, frames: Iterable[ColoredFrame]) -> Iterator[ColoredFrame]:
        for frame in frames:
            if frame.frame.start is not None or not self._counts:
                self._counts.append(Counter())
            self._counts[-1].update(cuts=frame.cut, kept=frame.frame.keeps_color)
            yield frame
