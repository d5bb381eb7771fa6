"""What all runs came to: kept as JSON, and shown as the tables of docs/formats.md."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from av import VideoFormat

from conformance.sources import SOURCES, TARGETS
from conformance.watch import Outcome

DOCS = Path(__file__).resolve().parents[2] / "docs"
JSON = DOCS / "formats.json"
TABLE = DOCS / "formats.md"
_REFUSALS = ("refused", "FAULT")

_HEAD = """# Which files fare how

Made by `make conformance`, which runs `vidcolor SOURCE TARGET --preset fast` for each entry, in
a process of its own. A run that takes more than 60 s or 2 GB, leaves a file behind, ends in a
traceback or in an exit code other than 0, 3 and 4, or says more than one line besides its warnings
makes it fail, and is marked FAULT here. What was written is compared with its source by
`vidcolor verify`, as many times as the word "verified" says.
"""
_SOURCES = """## Films made for this

Small films, one of each pixel format named, into each kind of target. A cell tells what was
written, or that the film was refused, as it is where the target could not keep what it holds.
*Luma* is kept, sample by sample and at its own depth, up to the loss of a lossy encoder; films of
RGB and palettes have none, and it is made.
"""
_SPECIAL = """Films with something of their own: rates, sizes, rotation, sound, text and more.
"""
_REFUSED = """Refused, the reasons:
"""
_CODECS = {
    "libx264": "H.264",
    "libx265": "H.265",
    "libvpx-vp9": "VP9",
    "libsvtav1": "AV1",
    "ffv1": "FFV1",
}
# Their decoders give out RGB or a palette, grey or not.
_COLOURS_ONLY = frozenset({"gif", "qtrle", "cinepak"})
_MUTATIONS = """## Damaged films

Ten damaged copies of each: flipped bits, a missing end, junk behind it, stretches that are zeroed
or torn out.
"""
_FILES = """## Films from elsewhere

Awkward and broken files of public test suites, by what they hold; of films of more than 300 frames,
the first 300.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: ``label`` is the row it belongs to, ``column`` the target or the kind of damage."""

    label: str
    column: str
    outcome: Outcome


def summarise(part: str, runs: Iterable[Run]) -> dict[str, Any]:
    """The record of one part (``sources``, ``mutations`` or ``files``) as it goes into the JSON."""
    runs = list(runs)
    rows: dict[str, Any] = {}
    for run in runs:
        text = f"FAULT: {'; '.join(run.outcome.faults)}" if run.outcome.faults else None
        text = text or run.outcome.result
        if part == "sources":
            rows.setdefault(run.label, {})[run.column] = text
        else:
            counted = rows.setdefault(run.label, {})
            counted[text] = counted.get(text, 0) + 1
    return {
        "runs": len(runs),
        "verified": sum(run.outcome.verified for run in runs),
        "seconds": round(max(run.outcome.seconds for run in runs), 1),
        "megabytes": max(run.outcome.peak_bytes for run in runs) >> 20,
        "rows": rows,
    }


def load(path: Path = JSON) -> dict[str, Any]:
    """The last results, by part; empty where there are none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def save(results: dict[str, Any]) -> None:
    """Write the JSON and the page."""
    DOCS.mkdir(exist_ok=True)
    parts = [f"{json.dumps(part)}: {_lines(results[part])}" for part in sorted(results)]
    JSON.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    TABLE.write_text(page(results), encoding="utf-8")


def _lines(part: dict[str, Any]) -> str:
    """A part as JSON, one line for each row of its table."""
    rows = part["rows"]
    text = ",\n".join(f"  {json.dumps(name)}: {json.dumps(rows[name])}" for name in sorted(rows))
    figures = json.dumps({key: part[key] for key in sorted(part.keys() - {"rows"})})
    return f'{figures[:-1]}, "rows": {{\n{text}}}}}'


def page(results: dict[str, Any]) -> str:
    """The Markdown page of these results."""
    parts = [_HEAD]
    if "sources" in results:
        parts += [_SOURCES, _figures(results["sources"]), _matrix(results["sources"]["rows"])]
    for name, head in (("mutations", _MUTATIONS), ("files", _FILES)):
        if name in results:
            parts += [head, _figures(results[name]), _counts(results[name]["rows"])]
    return "\n".join(parts)


def _figures(part: dict[str, Any]) -> str:
    checked = f"{part['verified']} verified, " if part["verified"] else ""
    return (
        f"{part['runs']} runs, {checked}the longest {part['seconds']} s, "
        f"the largest {part['megabytes']} MB.\n"
    )


def _matrix(rows: dict[str, dict[str, str]]) -> str:
    notes: dict[str, int] = {}
    kinds: dict[tuple[str, ...], list[str]] = {}
    special: list[str] = []
    for clip in (SOURCES[name] for name in SOURCES if name in rows):
        cells = tuple(_cell(rows[clip.name].get(suffix, ""), notes) for suffix in TARGETS)
        if not clip.name.startswith(clip.codec):
            special.append(_row(clip.name, *cells))
            continue
        made = VideoFormat(clip.pixel_format).is_rgb or clip.codec in _COLOURS_ONLY
        luma = "made" if made else "kept"
        suffix = clip.name.rpartition(".")[2]
        kinds.setdefault((suffix, clip.codec, luma, *cells), []).append(clip.pixel_format)
    plain = [_row(*key[:2], ", ".join(kinds[key]), *key[2:]) for key in kinds]
    lines = [*_heading("in", "encoder", "pixel formats", "luma", *TARGETS), *plain, "", _SPECIAL]
    lines += [*_heading("film", *TARGETS), *special, "", _REFUSED]
    return "\n".join([*lines, *(f"{number}. {text}" for text, number in notes.items()), ""])


def _cell(result: str, notes: dict[str, int]) -> str:
    """What was written, or ``refused`` and the number of the reason among ``notes``."""
    if result.startswith("refused"):
        return f"refused ({notes.setdefault(result, len(notes) + 1)})"
    found = re.fullmatch(r"(\S+) yuvj?(4\d\d)p(\d*)\w*", result)
    if found is None:
        return result
    codec, chroma, bits = found.groups()
    return f"{_CODECS.get(codec, codec)}, {bits or 8} bits, {':'.join(chroma)}"


def _heading(*names: str) -> list[str]:
    return [_row(*names), "|---" * len(names) + "|"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _counts(rows: dict[str, dict[str, int]]) -> str:
    lines = ["| film | coloured | refused | why |", "|---|---|---|---|"]
    for name in sorted(rows):
        tally = Counter(rows[name])
        refused = {text: tally[text] for text in sorted(tally) if text.startswith(_REFUSALS)}
        reasons = "; ".join(f"{text} ({n})" if n > 1 else text for text, n in refused.items())
        reasons = reasons.replace("refused, ", "").replace("|", "\\|")
        lost = sum(refused.values())
        lines.append(f"| {name} | {tally.total() - lost} | {lost} | {reasons} |")
    return "\n".join([*lines, ""])
