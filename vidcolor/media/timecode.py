"""Timecode: the hour, minute, second and frame a film counts from, as SMPTE ST 12-1 has it."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from fractions import Fraction

_FORM = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")
_HOURS = 24


def advance(tags: MutableMapping[str, str], by: Fraction, rate: Fraction | None) -> None:
    """Let the timecode in a picture's ``tags`` begin ``by`` seconds later.

    It goes where that cannot be told: none is better than a wrong one.
    """
    for key in [key for key in tags if key.lower() == "timecode"]:
        moved = None if rate is None else advanced(tags[key], round(by * rate), rate)
        if moved is None:
            del tags[key]
        else:
            tags[key] = moved


def is_timecode(text: str, rate: Fraction) -> bool:
    """Whether ``text`` numbers a frame of a film of ``rate`` frames per second.

    MP4 and QuickTime take nothing else; others hold any text.
    """
    match = _FORM.fullmatch(text)
    # The numbers that drop-frame counting leaves out are those of 30 and 60.
    drops = match is not None and match[4] != ":"
    return (not drops or round(rate) % 30 == 0) and advanced(text, 0, rate) == text


def advanced(timecode: str, frames: int, rate: Fraction) -> str | None:
    """``timecode`` of a film of ``rate`` frames per second, ``frames`` later; None if it is none.

    A separator other than a colon marks drop-frame counting: it leaves out the first two numbers
    (of 30, four of 60) of each minute but every tenth.
    """
    match = _FORM.fullmatch(timecode)
    nominal = round(rate)
    if match is None or nominal < 1:
        return None
    hours, minutes, seconds, frame = (int(match[group]) for group in (1, 2, 3, 5))
    dropped = nominal // 15 if match[4] != ":" else 0
    minute = nominal * 60 - dropped
    ten = 10 * minute + dropped
    whole_minutes = hours * 60 + minutes
    count = (whole_minutes * 60 + seconds) * nominal + frame
    count -= dropped * (whole_minutes - whole_minutes // 10)
    count = (count + frames) % (ten * 6 * _HOURS)
    # Back from a count without holes to numbers with them.
    tens, rest = divmod(count, ten)
    count += 9 * dropped * tens
    if rest >= nominal * 60:
        count += dropped * (1 + (rest - nominal * 60) // minute)
    whole, frame = divmod(count, nominal)
    clock = f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{clock}{match[4]}{frame:02}"
