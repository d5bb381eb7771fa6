"""What both files say of the film: its shape, its tags, its chapters, its titles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from vidcolor.frames import LightMetadata, VideoInfo, name_stream
from vidcolor.media.contents import Chapter, Contents, Track
from vidcolor.media.fields import field_order
from vidcolor.media.matroska import cropping
from vidcolor.media.metadata import kept_metadata
from vidcolor.media.timecode import advanced, is_timecode
from vidcolor.report import plural
from vidcolor.verify.checks import Check, Outcome
from vidcolor.verify.times import Times
from vidcolor.verify.tracks import language_of, match

_CHAPTER_TICK = Fraction(1, 1000)
"""Matroska's and MP4's chapters are written in milliseconds."""
_PLAIN_MATRIX = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
_LIT = frozenset({"h264", "hevc", "av1"})
"""Codecs with a place for HDR's metadata."""
_LIGHT_STEP = 1e-3
"""Of chromaticity, and of cd/m2: AV1 has 1/65536 and 1/256, and 1/16384 for the least."""
_TURN = (0, 1, 3, 4)
"""The places of the display matrix that turn and mirror; the others move, which players ignore."""


def picture_labels(
    source: VideoInfo, target: VideoInfo, *, by_wish: bool = False
) -> Iterator[Check]:
    """Size, pixel aspect, turning, colour tags, interlacing; ``by_wish`` is where the source's
    fields are what somebody said, and not what the file does."""
    sizes = [f"{info.width}x{info.height}" for info in (source, target)]
    yield _equal("size", *sizes)
    yield _aspect(source, target)
    if (cut := cropping(source)) != cropping(target):
        yield Check("cropping", "note", f"players are told to cut {cut or 'nothing'} of the source")
    turned = _turned(source.turning) == _turned(target.turning)
    says = f"{source.rotation} degrees" if turned else "the display matrix is another"
    yield Check("rotation", "same" if turned else "changed", says)
    yield _color(source, target)
    yield from _light(source, target)
    orders = [field_order(info) or info.field_order for info in (source, target)]
    if by_wish:
        # What looks like fields in the target was to be none, where it is not marked.
        marked = target.fields is not None and target.fields.flagged
        orders = [field_order(source), field_order(target) if marked else target.field_order]
    fields = [order > 1 for order in orders]
    kinds = ["interlaced" if two else "progressive" for two in fields]
    # Even numbers are of films whose top field is shown first.
    kept = fields[0] == fields[1] and (not fields[0] or 0 in orders or not sum(orders) % 2)
    says = f"{kinds[0]} in the source, {kinds[1]} in the target"
    if fields[0] == fields[1]:
        says = kinds[0] if kept else "the fields are in another order"
    yield Check("interlacing", "same" if kept else "changed", says)


def chapter_check(before: Contents, after: Contents, times: Times, whole: bool) -> Iterator[Check]:
    """The chapters, or those that lie in a range; nothing if neither file has any."""
    wanted = [_moved(chapter, times, whole) for chapter in before.chapters]
    slack = _CHAPTER_TICK if whole else _CHAPTER_TICK + times.step
    # One that only touches the range may be kept or not.
    needed = [chapter for chapter in wanted if chapter.end - chapter.start > slack or whole]
    got = list(after.chapters)
    if not needed and not got:
        return
    ends = True
    for old, new in zip(needed, got, strict=False):
        # MP4 has no time before its first chapter.
        first = old is needed[0] and new.start == 0
        if old.title != new.title or (abs(old.start - new.start) > slack and not first):
            says = f"{_chapter(new)} was {_chapter(old)}"
            yield Check("chapters", "changed", says)
            return
        ends = ends and abs(old.end - new.end) <= slack and abs(old.start - new.start) <= slack
    if len(got) < len(needed):
        yield Check("chapters", "lost", f"{len(needed) - len(got)} of {len(needed)} are missing")
    elif len(got) > len(wanted if not whole else needed):
        yield Check("chapters", "changed", f"{len(got)}, the source has {len(wanted)}")
    elif not ends:
        # Some containers know only where a chapter begins, or the one before it ends.
        says = f"{plural(len(got), 'chapter')}, some begin or end elsewhere"
        yield Check("chapters", "note", says)
    else:
        yield Check("chapters", "same", plural(len(got), "chapter"))


def timecode_check(
    source: VideoInfo, before: Contents, after: Contents, times: Times, whole: bool
) -> Iterator[Check]:
    """The timecode of the first frame, or of a range's; nothing if neither file has any."""
    wanted, rate = list(before.timecodes), source.average_rate
    proper = rate is not None and any(is_timecode(code, rate) for code in wanted)
    if not whole:
        skipped = times.start - (source.start_pts or 0) * source.time_base
        moved = [rate and advanced(old, round(skipped * rate), rate) for old in wanted]
        # Where it cannot be counted on, none is better than a wrong one.
        wanted = [code for code in moved if code]
    got = after.timecodes
    if not wanted and not got:
        return
    was, now = (" or ".join(codes) or "none" for codes in (wanted, got))
    if not set(got) <= set(wanted):
        # What is no timecode at the film's rate, some containers make one of, or leave out.
        outcome: Outcome = "note" if wanted and not proper else "changed"
        yield Check("timecode", outcome, f"{now}, was {was}")
    elif not got:
        yield Check("timecode", "lost" if proper else "note", f"none, was {was}")
    else:
        yield Check("timecode", "same", now)


def text_labels(
    source: VideoInfo, target: VideoInfo, before: Contents, after: Contents
) -> Iterator[Check]:
    """Languages, titles and dispositions of the tracks, and the film's own metadata.

    Matroska has a place for all of them. In other containers, what is missing is noted; WebM, which
    FFmpeg does not tell from it when reading, is one of those.
    """
    roomy = "matroska" in target.container and target.path.suffix.lower() != ".webm"
    yield from _spoken("picture", before.language, after.language)
    yield from _titled("picture", before.title, after.title, roomy)
    found = list(_tracks(match(before.tracks, after.tracks)[0], roomy))
    yield from found
    if before.tracks and not found:
        yield Check("languages and flags", "same", "of all tracks")
    wanted = {key.lower(): value for key, value in kept_metadata(source.metadata).items()}
    got = {key.lower(): value for key, value in target.metadata.items()}
    # Compared by itself: it may move from the film to the picture, and on with a range.
    wanted.pop("timecode", None)
    got.pop("timecode", None)
    missing = sorted(wanted.keys() - got.keys())
    both = wanted.keys() & got.keys()
    other = sorted(key for key in both if _value(key, wanted[key]) != _value(key, got[key]))
    if other:
        yield Check("metadata", "changed", f"another value of {', '.join(other)}")
    if missing:
        says = f"without {', '.join(missing)}"
        yield Check("metadata", "lost" if roomy else "note", says)
    if not other and not missing:
        yield Check("metadata", "same", f"{len(wanted)} kept")


def _tracks(pairs: list[tuple[Track, Track]], roomy: bool) -> Iterator[Check]:
    for old, new in pairs:
        name, about = name_stream(old.about), new.about
        if old.kind in ("audio", "subtitle", "video"):
            yield from _spoken(name, old.about.language, about.language)
        yield from _titled(name, old.about.title, about.title, roomy)
        if old.flags != new.flags and not old.cover:
            was, now = (" ".join(sorted(track.flags)) or "none" for track in (old, new))
            yield Check(f"flags, {name}", "changed" if roomy else "note", f"{now}, was {was}")


def _spoken(name: str, before: str | None, after: str | None) -> Iterator[Check]:
    was, now = language_of(before), language_of(after)
    if was != now:
        yield Check(f"language, {name}", "changed", f"{now}, was {was}")


def _titled(name: str, before: str | None, after: str | None, roomy: bool) -> Iterator[Check]:
    if (before or "") != (after or ""):
        outcome: Outcome = "changed" if after or roomy else "note"
        yield Check(f"title, {name}", outcome, f"{after or 'none'}, was {before or 'none'}")


def _value(key: str, text: str) -> object:
    """Containers write times and places in forms of their own: ``.0`` and ``.000000``."""
    if key.partition("-")[0] in ("creation_time", "location"):
        return [float(number) for number in re.findall(r"[-+]?\d+(?:\.\d+)?", text)]
    return text


def _moved(chapter: Chapter, times: Times, whole: bool) -> Chapter:
    start, end = chapter.start, chapter.end
    if not whole:
        start, end = max(start, times.start), min(end, times.end)
    return Chapter(start - times.origin, end - times.origin, chapter.title)


def _chapter(chapter: Chapter) -> str:
    return f"{chapter.title!r} at {float(chapter.start):.3f} s"


def _color(source: VideoInfo, target: VideoInfo) -> Check:
    """Unsaid tags may be said in the target, if they say what the codes were read as."""
    pairs = (
        ("matrix", source.color.matrix, target.color.matrix),
        ("full range", source.color.full_range, target.color.full_range),
        ("primaries", source.tags.primaries, target.tags.primaries),
        ("transfer", source.tags.transfer, target.tags.transfer),
    )
    other = [f"{name} {now}, was {was}" for name, was, now in pairs if was != now]
    color = source.color
    says = "; ".join(other) or f"{color.matrix}, {'full' if color.full_range else 'studio'} range"
    return Check("colour tags", "changed" if other else "same", says)


def _light(source: VideoInfo, target: VideoInfo) -> Iterator[Check]:
    """HDR's metadata, nothing where neither film has any."""
    was, now = source.light or LightMetadata(), target.light or LightMetadata()
    pairs: tuple[tuple[str, Sequence[float] | None, Sequence[float] | None], ...] = (
        ("mastering display", was.mastering, now.mastering),
        ("content light level", was.content, now.content),
    )
    lost = [name for name, old, new in pairs if old and not new]
    other = [name for name, old, new in pairs if new and not (old and _near(old, new))]
    beside = sorted(set(was.dynamic) - set(now.dynamic))
    says = "; ".join(
        f"{', '.join(names)} {what}"
        for names, what in (
            (other, "other than in the source"),
            (lost, f"not in the target{'' if target.codec in _LIT else ', which has no place'}"),
            (beside, "not in the target"),
        )
        if names
    )
    if says:
        outcome: Outcome = "lost" if lost and target.codec in _LIT else "note"
        yield Check("HDR metadata", "changed" if other else outcome, says)
    elif source.light or target.light:
        told = [*(name for name, old, _ in pairs if old), *was.dynamic]
        yield Check("HDR metadata", "same", ", ".join(told))


def _near(old: Sequence[float], new: Sequence[float]) -> bool:
    """Each codec counts in steps of its own."""
    return all(
        abs(a - b) <= max(_LIGHT_STEP, abs(a) / 10_000) for a, b in zip(old, new, strict=True)
    )


def _aspect(source: VideoInfo, target: VideoInfo) -> Check:
    """Matroska tells the aspect by the size of the picture on screen, in whole pixels."""
    was, now = source.sample_aspect_ratio, target.sample_aspect_ratio
    apart = abs(now - was) * target.width
    if not apart or apart > Fraction(1, 2) or "matroska" not in target.container:
        return _equal("pixel aspect", was, now)
    says = f"{was}, as {round(target.width * now)}x{target.height} on screen"
    return Check("pixel aspect", "same", says)


def _turned(matrix: tuple[int, ...] | None) -> tuple[int, ...]:
    """The sense of a display matrix, without its rounding."""
    return tuple(round((matrix or _PLAIN_MATRIX)[place] / 4096) for place in _TURN)


def _equal(name: str, was: object, now: object) -> Check:
    says = str(was) if was == now else f"{now}, was {was}"
    return Check(name, "same" if was == now else "changed", says)
