"""Styled text: a line of ASS taken apart into stretches of one style, and written in other kinds.

What is kept of its styling is bold, italics and underlines, which all kinds know.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

_STYLES = ("b", "i", "u")
_CODES = re.compile(r"\{(\\[^}]*)\}")
_CODES_AND_REMARKS = re.compile(r"\{([^}]*)\}")
_SWITCH = re.compile(r"\\(?:([biu])(\d*)|(r)[^\\]*|(p)(\d+))(?=\\|$)")
_BLANK_LINES = re.compile(r"\n\s*\n+")


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text in one style, a part of ``"biu"``."""

    text: str
    styles: str = ""


def runs_of(line: str, *, remarks: bool = False) -> tuple[Run, ...]:
    """The text of an ASS line (its last field), without its drawings and all other codes.

    With ``remarks``, as in true ASS, braces without a code hold what is not to be shown.
    """
    found: list[Run] = []
    on: set[str] = set()
    drawing = False
    codes = _CODES_AND_REMARKS if remarks else _CODES
    for number, piece in enumerate(codes.split(line)):
        if number % 2 == 0:
            if piece and not drawing:
                text = piece.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", "\u00a0")
                # FFmpeg's ways to write a brace that begins no code.
                text = text.replace("\\{{}", "{").replace("\\{", "{").replace("\\}", "}")
                found.append(Run(text, "".join(style for style in _STYLES if style in on)))
            continue
        for style, level, reset, draw, scale in _SWITCH.findall(piece):
            if reset:
                on.clear()
            elif draw:
                drawing = int(scale) > 0
            elif int(level or 0) > 0:
                on.add(style)
            else:
                on.discard(style)
    return tuple(found) if any(run.text.strip() for run in found) else ()


def joined(lines: Sequence[tuple[Run, ...]]) -> tuple[Run, ...]:
    """Lines below each other; there is at least one."""
    found = list(lines[0])
    for runs in lines[1:]:
        found += [Run("\n"), *runs]
    return tuple(found)


def subrip(runs: tuple[Run, ...]) -> bytes:
    """The text of a SubRip cue."""
    return _tagged(runs).encode()


def webvtt(runs: tuple[Run, ...]) -> bytes:
    """The text of a WebVTT cue."""
    escaped = tuple(Run(html.escape(run.text, quote=False), run.styles) for run in runs)
    return _tagged(escaped).encode()


def ass(runs: tuple[Run, ...]) -> bytes:
    """A whole ASS event, as FFmpeg's encoders want it."""
    parts: list[str] = []
    for run in runs:
        codes = "".join(f"\\{style}1" for style in run.styles)
        parts.append(f"{{\\r{codes}}}{run.text}" if codes else f"{{\\r}}{run.text}")
    line = "".join(parts).replace("\n", "\\N")
    return f"0,0,Default,,0,0,0,,{line}".encode()


def _tagged(runs: tuple[Run, ...]) -> str:
    parts: list[str] = []
    for run in runs:
        opening = "".join(f"<{style}>" for style in run.styles)
        closing = "".join(f"</{style}>" for style in reversed(run.styles))
        parts.append(f"{opening}{run.text}{closing}")
    # A blank line ends a cue in files of either kind.
    return _BLANK_LINES.sub("\n", "".join(parts)).strip("\n")
