"""The schema of everything that can be set, and the only place where defaults live.

A preset or config file (TOML) overrides the defaults, flags and keyword arguments override the
file. Unknown keys are errors that name the valid ones.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from vidcolor.errors import SettingsError, UsageError
from vidcolor.hintlist import Hint
from vidcolor.overrides import as_declared, beside, checked, override
from vidcolor.references import Reference
from vidcolor.tiling import WHOLE, parse_tiles
from vidcolor.tomlfile import read_toml

KeepColor: TypeAlias = str | tuple[tuple[int, int | None], ...] | None


AUDIO_CODECS = ("aac", "ac3", "alac", "flac", "mp3", "opus")
"""What sound can be encoded in on request."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How picture and sound are written. None means: what suits the target's container."""

    codec: str | None = None
    """FFmpeg's encoder name or a common name: ``h264``, ``h265``, ``av1``, ``vp9``, ``ffv1`` …
    With commas between several: the first that takes the film's depth and range."""
    crf: float | None = None
    """Constant rate factor, where the encoder has one; smaller is better and larger."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Handed to the encoder as they are."""
    container: str | None = None
    """The suffix, such as ``mkv``, that the target must have with these settings; None for any."""
    effort: str = "normal"
    """``fast``, ``normal`` or ``slow``: how long the encoder, whichever it is, may search."""
    crf_shift: float = 0.0
    """Added to the encoder's usual rate factor, whichever that is; ``crf`` comes before it."""
    depth: int | None = None
    """Bits per sample at most: what cannot be kept exactly within these, luma included, is rounded.
    None keeps the film's own codes."""
    chroma: str | None = None
    """The chroma grid: ``420``, ``422`` or ``444``. None keeps the film's own."""
    audio: str | None = None
    """The codec that sound is to be in, one of `AUDIO_CODECS`; sound in another is encoded in it.
    With commas, other codecs may follow whose sound is left alone. None keeps all sound as it is,
    wherever the target's container takes it."""

    def for_codec(self, codec: str | None) -> EncoderSettings:
        """These settings with another codec, if one is named: options, container, depth and grid
        were chosen for the codec they were written for, and stay behind. So does the sound's codec,
        which was chosen for the container."""
        if codec is None or codec == self.codec:
            return self
        return dataclasses.replace(
            self, codec=codec, options={}, container=None, depth=None, chroma=None, audio=None
        )


@dataclass(frozen=True, slots=True)
class ColorSettings:
    """How the picture is coloured."""

    model: str = "default"
    """Name of a model of the catalogue, or the path of a checkpoint; ``one+other:0.3`` mixes two,
    with a share of 0.3 for the other."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    short_side: int = 192
    """Short side, in pixels, of the small image the network sees; a multiple of 32."""
    batch_size: int = 4
    saturation: float = 1.0
    """Factor on the chroma, 0 (grey) to 2."""
    stabilize: float = 0.9
    """Greatest share the neighbouring frames may have in a frame's colour, 0 (off) to 1."""
    keyframes: int = 8
    """The network is asked about every so many frames at least, more often where much moves; the
    others take their colour along the motion. 1 asks about every frame, as does ``stabilize`` 0."""
    reference_strength: float = 1.0
    """Share of the references' colours where they are surely known, 0 (none) to 1."""
    remember: bool = False
    """Whether what a later shot shows again has the colours it had, where it is surely the same."""
    tiles: str = WHOLE
    """In which pieces the network is shown the small image; see `vidcolor.tiling`."""


@dataclass(frozen=True, slots=True)
class LookSettings:
    """How the colours are graded. Whatever is set here, luma stays what it is."""

    warmth: float = 0.0
    """-1 (as in bluer light) to 1 (yellower)."""
    tint: float = 0.0
    """-1 (greener) to 1 (toward magenta)."""
    vibrance: float = 0.0
    """-1 to 1: less or more colour where there is little, hardly any change where there is much
    and in skin."""
    lut: str | None = None
    """Path of a 3D LUT (.cube) for R'G'B' of sRGB, of which only the colour counts."""


@dataclass(frozen=True, slots=True)
class ShotLook(LookSettings):
    """All of a shot's look: what the shot list sets for it, and else what is set for the film."""

    saturation: float = 1.0


SOFTWARE = "software"


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """How the picture is read."""

    device: str = SOFTWARE
    """``software``, or the name that FFmpeg has for a device that decodes: ``cuda``, ``vaapi``,
    ``videotoolbox``, ``d3d11va`` … Films that it does not decode exactly are software's all the
    same."""


FIELD_ORDERS = ("auto", "progressive", "top", "bottom")


@dataclass(frozen=True, slots=True)
class FieldSettings:
    """What to do about interlaced film."""

    order: str = "auto"
    """``auto``: as the film says, or looks. Else what it is held for whatever it says:
    ``progressive``, or interlaced with the ``top`` or the ``bottom`` field first."""
    deinterlace: bool = False
    """Make each interlaced frame one moment; its luma is then no longer the film's own."""


@dataclass(frozen=True, slots=True)
class RangeSettings:
    """Which part of the film: by half-open frame numbers, or by seconds; None is the film's end."""

    first_frame: int | None = None
    end_frame: int | None = None
    start: Fraction | None = None
    duration: Fraction | None = None

    @property
    def whole(self) -> bool:
        return self == RangeSettings()

    @property
    def from_the_first(self) -> bool:
        """Whether it begins where the film does."""
        return not self.first_frame and not self.start


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What a source may hold before it is refused, so that a small file cannot ask for all of a
    machine's memory or days of its time."""

    pixels: int = 2**27
    """Pixels of one picture; the default takes in 16K (15360x8640), twice as wide as 8K scans."""
    frames: int = 20_000_000
    """Frames of the film; the default is four days of them at 60 a second."""
    streams: int = 256
    """Streams of all kinds; every attached font is one, and there are films with a hundred."""
    strict: bool = False
    """Stop at the first damage instead of going on over it."""


_TABLES = ("color", "look", "decoder", "encoder", "fields", "limits")
"""What a preset or config file may hold."""
_GROUPS = (*_TABLES, "range")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one job; see the groups for their meaning.

    What is of one film alone (range, overwrite, rate, sound, shots, looks, keep_color, hints,
    references) cannot be set by a preset or config file.
    """

    color: ColorSettings = ColorSettings()
    encoder: EncoderSettings = EncoderSettings()
    range: RangeSettings = RangeSettings()
    limits: LimitSettings = LimitSettings()
    overwrite: bool = False
    resume: bool = True
    """Keep finished chunks of the work until the film is done, and go on from them."""
    work_dir: Path | None = None
    """Where they are kept; None: beside the target."""
    fields: FieldSettings = FieldSettings()
    look: LookSettings = LookSettings()
    decoder: DecoderSettings = DecoderSettings()
    rate: Fraction | None = None
    """Frames per second of numbered pictures, which do not tell it; None: 24, with a warning."""
    sound: Path | None = None
    """A file whose sound tracks go with numbered pictures."""
    shots: tuple[int, ...] | None = None
    """Number in the film, from 0, of the first frame of each shot: 0 first, then rising, as
    `vidcolor.shots.read_shots` reads them from a file. None: they are found by the detector."""
    looks: Mapping[int, Mapping[str, Any]] | None = None
    """By the first frame of a shot, what of its look is set for it alone: keys of ``look``, and
    ``saturation``."""
    keep_color: KeepColor = None
    """Where the film's own colour is kept: half-open ranges of frame numbers in the film, from 0
    (an end of None is the film's), or ``auto`` for wherever there is some. None: nowhere."""
    hints: tuple[Hint, ...] = ()
    """Colours that are known at places of the film, as `vidcolor.hintlist.read_hints` reads them
    from a file."""
    references: tuple[Reference, ...] = ()
    """Colour stills to go by, as `vidcolor.references.find_references` finds them."""

    def __post_init__(self) -> None:
        for key, value in as_declared(self, "the settings").items():
            object.__setattr__(self, key, value)
        if self.looks is not None:
            looks = {
                shot: checked(ShotLook, look, "", f"the look of the shot at frame {shot}")
                for shot, look in self.looks.items()
            }
            object.__setattr__(self, "looks", looks)
        _check(self)

    def replace(self, group: str | None = None, **changes: Any) -> Settings:
        """A copy with the given keys of ``group`` (or of the top level) changed.

        Raises SettingsError for an unknown key or an impossible value.
        """
        if group is None:
            settings: Settings = override(self, changes, "", "the call")
            return settings
        if group not in _GROUPS:
            raise SettingsError(
                f"the call: unknown group {group!r}; valid are {', '.join(_GROUPS)}"
            )
        part = override(getattr(self, group), changes, f"{group}.", "the call")
        return dataclasses.replace(self, **{group: part})

    @property
    def guided(self) -> bool:
        """Whether a film is read through for its known colours before it is coloured."""
        return bool(self.hints or self.references or self.color.remember)

    def look_in(self, shot: int | None = None) -> ShotLook:
        """The look of the film or, with what is set for it, of the shot that begins at frame
        ``shot``."""
        film = ShotLook(**dataclasses.asdict(self.look), saturation=self.color.saturation)
        own = {} if self.looks is None or shot is None else self.looks.get(shot, {})
        return dataclasses.replace(film, **own)


_SUFFIX = re.compile("[a-z0-9]{1,8}")


def _check(settings: Settings) -> None:
    color, crop, encoder = settings.color, settings.range, settings.encoder
    crf, depth = encoder.crf, encoder.depth
    rules = (
        (0 <= color.stabilize <= 1, f"stabilize must be 0 to 1, not {color.stabilize}"),
        *_look_rules(settings.look_in()),
        (
            0 <= color.reference_strength <= 1,
            f"reference_strength must be 0 to 1, not {color.reference_strength}",
        ),
        (
            settings.rate is None or 1 <= settings.rate <= 240,
            f"the frame rate must be 1 to 240, not {settings.rate}",
        ),
        (1 <= color.keyframes <= 64, f"keyframes must be 1 to 64, not {color.keyframes}"),
        (1 <= color.batch_size <= 256, f"batch_size must be 1 to 256, not {color.batch_size}"),
        (
            64 <= color.short_side <= 1024 and color.short_side % 32 == 0,
            f"short_side must be a multiple of 32 from 64 to 1024, not {color.short_side}",
        ),
        (
            settings.fields.order in FIELD_ORDERS,
            f"order must be {', '.join(FIELD_ORDERS)}, not {settings.fields.order!r}",
        ),
        (crf is None or 0 <= crf <= 63, f"crf must be 0 to 63, not {crf}"),
        (-8 <= encoder.crf_shift <= 20, f"crf_shift must be -8 to 20, not {encoder.crf_shift}"),
        (
            encoder.effort in ("fast", "normal", "slow"),
            f"effort must be fast, normal or slow, not {encoder.effort!r}",
        ),
        (
            encoder.container is None or _SUFFIX.fullmatch(encoder.container) is not None,
            f"container must be a suffix as mp4 or mkv, not {encoder.container!r}",
        ),
        (depth is None or 8 <= depth <= 16, f"depth must be 8 to 16, not {depth}"),
        (
            encoder.chroma in (None, "420", "422", "444"),
            f"chroma must be 420, 422 or 444, not {encoder.chroma!r}",
        ),
        (
            encoder.audio is None or encoder.audio.split(",")[0].strip() in AUDIO_CODECS,
            f"audio must be one of {', '.join(AUDIO_CODECS)}, not {encoder.audio!r}",
        ),
        *(
            (getattr(settings.limits, name) >= 1, f"the limit of {name} must be 1 or more")
            for name in ("pixels", "frames", "streams")
        ),
    )
    for holds, message in rules:
        if not holds:
            raise SettingsError(message)
    parse_tiles(color.tiles)
    shots = settings.shots
    if shots is not None and (shots[:1] != (0,) or any(a >= b for a, b in pairwise(shots))):
        raise SettingsError("shots must be the first frame of every shot: 0, and rising from there")
    for first in settings.looks or ():
        if first not in (shots or ()):
            raise SettingsError(f"there is a look for frame {first}, where no shot begins")
        for holds, message in _look_rules(settings.look_in(first)):
            if not holds:
                raise SettingsError(f"the look of the shot at frame {first}: {message}")
    kept = settings.keep_color
    if isinstance(kept, str) and kept != "auto":
        raise SettingsError(f"keep_color must be auto or ranges of frames, not {kept!r}")
    for first, end in kept if isinstance(kept, tuple) else ():
        if first < 0 or (end is not None and end <= first):
            raise SettingsError(f"keep_color: the frame range {first}:{end} holds no frame")
    by_frame = crop.first_frame is not None or crop.end_frame is not None
    by_time = crop.start is not None or crop.duration is not None
    if by_frame and by_time:
        raise UsageError("give a range either in frames or in seconds, not both")
    first = crop.first_frame or 0
    if first < 0 or (crop.end_frame is not None and crop.end_frame <= first):
        raise UsageError(f"the frame range {first}:{crop.end_frame} holds no frame")
    if (crop.start or 0) < 0 or (crop.duration is not None and crop.duration <= 0):
        raise UsageError("start must not be negative and duration must be above zero")


def _look_rules(look: ShotLook) -> Iterator[tuple[bool, str]]:
    yield 0 <= look.saturation <= 2, f"saturation must be 0 to 2, not {look.saturation}"
    for name in ("warmth", "tint", "vibrance"):
        value = getattr(look, name)
        yield -1 <= value <= 1, f"{name} must be -1 to 1, not {value}"


def load_settings(path: Path | str, base: Settings | None = None) -> Settings:
    """Read a TOML file of the tables in `_TABLES` over ``base``.

    Encoder options are added to those of ``base``, unless the file names another codec. A
    checkpoint or LUT is looked for beside the file first, then in the working folder.

    Raises SettingsError when the file cannot be read, is not TOML, has an unknown key (the message
    names the valid ones) or a value of the wrong type.
    """
    table = read_toml(Path(path), "config file")
    settings = base or Settings()
    for group, values in table.items():
        if group not in _TABLES or not isinstance(values, dict):
            raise SettingsError(
                f"{path}: unknown table or key {group!r}; valid tables are "
                + ", ".join(f"[{name}]" for name in _TABLES)
            )
        part = getattr(settings, group)
        if isinstance(part, EncoderSettings):
            part = part.for_codec(values.get("codec"))
            if isinstance(values.get("options"), dict):
                values = {**values, "options": {**part.options, **values["options"]}}
        part = override(part, beside(Path(path), values), f"{group}.", str(path))
        settings = dataclasses.replace(settings, **{group: part})
    return settings
