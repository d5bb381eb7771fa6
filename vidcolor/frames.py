"""What flows through the pipeline: plain frozen records, with their units.

Arrays are never copied to be put into a record and never changed once they are in one. ``repr``
shows shapes and times, not pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import atan2, degrees
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Matrix = Literal["bt601", "bt709", "bt2020", "smpte240m", "fcc"]
FieldOrder = Literal["top", "bottom"]
"""The field of an interlaced frame that was taken, and is shown, first."""
Transfer = Literal["sdr", "pq", "hlg"]
Primaries = Literal["bt709", "bt2020"]


@dataclass(frozen=True, slots=True)
class ColorSpec:
    """How a film's Y'CbCr codes are meant to be read.

    ``matrix`` names the luma coefficients; ``full_range`` tells whether codes span the whole of
    0 … 2**depth - 1 or the studio range; ``depth`` is in bits, 8 to 16. ``transfer`` tells what
    light R'G'B' stands for, ``primaries`` of which colours.
    """

    matrix: Matrix
    full_range: bool
    depth: int
    transfer: Transfer = "sdr"
    primaries: Primaries = "bt709"

    def __post_init__(self) -> None:
        if not 8 <= self.depth <= 16:
            raise ValueError(f"depth must be 8 to 16 bits, not {self.depth}")


@dataclass(frozen=True, slots=True)
class ColorTags:
    """The colour tags of a stream as FFmpeg's integers, carried from source to target untouched."""

    range: int = 0
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True, slots=True)
class Fields:
    """That a film is interlaced: a frame's even and odd lines are two fields, two moments."""

    first: FieldOrder
    """Of the film; single frames may have another order."""
    flagged: bool = True
    """Each frame says for itself whether and how it is interlaced; False: none does, all are."""
    deinterlace: bool = False
    """The frames are to be made into single moments as they are decoded."""

    def __str__(self) -> str:
        found = "as its frames say" if self.flagged else "not marked as such"
        return f"interlaced, {self.first} field first, {found}"


@dataclass(frozen=True, slots=True)
class LightMetadata:
    """What HDR film tells of the light it was made for (SMPTE ST 2086, CTA-861.3)."""

    mastering: tuple[float, ...] | None = None
    """x and y of red, green, blue and white of the display it was mastered on; its least and
    greatest luminance in cd/m2."""
    content: tuple[int, int] | None = None
    """Greatest luminance of any pixel and of any frame's mean, in cd/m2."""
    dynamic: tuple[str, ...] = ()
    """Names of the metadata that changes from scene to scene, such as ``Dolby Vision``."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of the source other than the picture."""

    index: int
    kind: str
    """``audio``, ``subtitle``, ``attachment``, ``data`` or ``video`` (cover art, second angles)."""
    codec: str
    language: str | None = None
    title: str | None = None
    details: str = ""
    """A short human description, e.g. ``48000 Hz stereo``."""


def name_stream(stream: StreamInfo) -> str:
    """A stream in a few words: ``audio 1 (aac, eng, Commentary)``."""
    words = (word for word in (stream.codec, stream.language, stream.title) if word)
    return f"{stream.kind} {stream.index} ({', '.join(words)})"


@dataclass(frozen=True, slots=True)
class Surface:
    """How the device that decodes a film hands over its pictures: which device, in FFmpeg's words,
    in which pixel format, and tagged with which range (FFmpeg's number)."""

    device: str
    pixel_format: str
    color_range: int


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a film before its first frame is decoded."""

    path: Path
    container: str
    stream_index: int
    codec: str
    width: int
    height: int
    """Stored size in pixels, before sample aspect ratio and rotation."""
    pixel_format: str
    time_base: Fraction
    """Seconds per tick of every pts of the picture."""
    average_rate: Fraction | None
    """Frames per second over the whole film; for display and for encoders, not for timing."""
    start_pts: int | None
    duration: Fraction | None
    """Seconds, as the container declares it."""
    frame_count: int | None
    """Declared, or estimated from rate and duration; None where nothing tells."""
    frame_count_is_exact: bool
    sample_aspect_ratio: Fraction
    rotation: int
    """Degrees counter-clockwise the player turns the picture by, a multiple of 90 as a rule."""
    turning: tuple[int, ...] | None
    """The nine numbers of the display matrix, which may also mirror; None if there is none."""
    field_order: int
    """FFmpeg's number, 0 for unknown, 1 for progressive; as the container or the codec says."""
    color: ColorSpec
    tags: ColorTags
    fields: Fields | None = None
    """None for a progressive film."""
    light: LightMetadata | None = None
    captions: bool = False
    """Whether closed captions come with its first picture."""
    surface: Surface | None = None
    """None where software decodes the film."""
    others: tuple[StreamInfo, ...] = ()
    sound: Path | None = None
    """The file that the ``others`` are in, of numbered pictures with a sound track."""
    chapters: int = 0
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def others_path(self) -> Path:
        """The file with all but the picture."""
        return self.path if self.sound is None else self.sound

    @property
    def quarter_turns(self) -> int:
        """How the stored picture comes to stand upright: 0 to 3, counter-clockwise. Of a film that
        is shown mirrored this is the turn before that, left to right, which is not done here."""
        rotation = float(self.rotation)
        if self.turning is not None:
            a, b, _, c, d, *_ = self.turning
            if a * d < b * c:
                rotation = -degrees(atan2(b, -a))
        return round(rotation / 90) % 4

    @property
    def interlaced(self) -> bool:
        """Whether its frames, as decoded and as written, may be interlaced."""
        return self.fields is not None and not self.fields.deinterlace


@dataclass(frozen=True, slots=True)
class Place:
    """A frame that can be found again: its index, its pts, and ``check``, the CRC-32 of its small
    lightness, which tells whether it is the same film and the same frame.

    The rest is how it was judged, by the frames before it among others: see `SmallFrame`.
    """

    index: int
    pts: int
    check: int
    flat: bool = False
    in_color: bool = False
    keeps_color: bool = False


@dataclass(frozen=True, slots=True)
class ChunkStart:
    """Where a chunk of the work begins, and all that is needed to begin there.

    ``index`` is its first frame's; ``split`` is True where it begins within a shot. ``warm_up`` is
    the frame to read from, a few frames earlier unless the film begins here.
    """

    index: int
    split: bool
    warm_up: Place


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture as decoded: its native luma and its place in time.

    ``luma`` is (height, width) of uint8, or uint16 for more than 8 bits, in the codes of
    ``color``; usually a strided view into the decoder's own buffer, which ``owner`` keeps alive.
    ``pts`` and ``duration`` count ticks of the stream's time base; ``duration`` is 0 when unknown.
    ``index`` is the frame's number in presentation order, from 0 at the start of the film.
    """

    index: int
    pts: int
    duration: int
    luma: NDArray[np.uint8] | NDArray[np.uint16]
    color: ColorSpec
    damaged: bool = False
    first_field: FieldOrder | None = None
    """None where all lines are of one moment."""
    taken_field: FieldOrder | None = None
    """The field that luma was made of, where ``owner`` still holds both."""
    moved: int = 0
    """Ticks that its pts is ahead of what the film says, whose clock was set anew."""
    keeps_color: bool = False
    """Whether the film's own chroma is handed on instead of ours."""
    start: ChunkStart | None = None
    """Set on the first frame of a chunk."""
    spare: bool = False
    """It goes along for what its neighbours learn from it, without its luma, and is not painted."""
    owner: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.luma.ndim != 2:
            raise ValueError(f"luma must be (height, width), not {self.luma.shape}")

    def __repr__(self) -> str:
        height, width = self.luma.shape
        return f"Frame({self.index}, pts={self.pts}, {width}x{height} {self.luma.dtype})"


@dataclass(frozen=True, slots=True)
class SmallFrame:
    """A frame with its small lightness image.

    ``lightness`` is (h, w) float32 L*, 0 … 100. ``cut`` is True on the first frame of a shot, and
    where nothing may travel on although the shot does: there it is ``within`` one. ``flat`` is
    whether the cut detector took it for empty, ``in_color`` whether its own chroma was taken for
    colour, both of which hold on for as long as there is little to speak against it.
    """

    frame: Frame
    lightness: NDArray[np.float32]
    cut: bool
    within: bool = False
    flat: bool = False
    in_color: bool = False


@dataclass(frozen=True, slots=True)
class ColoredFrame:
    """A frame with its small lightness and its small colour.

    ``ab`` is (2, h, w) float32 in CIE a*, b* units, the same h and w as ``lightness``.
    """

    frame: Frame
    lightness: NDArray[np.float32]
    ab: NDArray[np.float32]
    cut: bool

    def __post_init__(self) -> None:
        if self.ab.shape != (2, *self.lightness.shape):
            raise ValueError(f"ab {self.ab.shape} does not fit lightness {self.lightness.shape}")


@dataclass(frozen=True, slots=True)
class PaintedFrame:
    """A frame ready for the encoder: native luma and the two chroma planes.

    ``cb`` and ``cr`` have ``frame.luma``'s dtype and the size of the target's chroma planes.
    """

    frame: Frame
    cb: NDArray[np.uint8] | NDArray[np.uint16]
    cr: NDArray[np.uint8] | NDArray[np.uint16]
