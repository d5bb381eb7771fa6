"""What all runs came to: kept as JSON, and shown as the tables of docs/formats.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.sources import SOURCES, TARGETS
from conformance.watch import Outcome

DOCS = Path(__file__).resolve().parents[2] / "docs"
JSON = DOCS / "formats.json"
TABLE = DOCS / "formats.md"

_HEAD = """# Which files fare how

Made by `make conformance`, which runs `vidcolor SOURCE TARGET --preset fast` for each entry, in
a process of its own. A run that takes more than 60 s or 2 GB, leaves a file behind, ends in a
traceback or in an exit code other than 0, 3 and 4, or says more than one line besides its warnings
makes it fail, and is marked FAULT here. What was written is compared with its source by
`vidcolor verify`, as many times as the word "verified" says.
"""
_SOURCES = """## Films made for this

Small films, each written in an encoder and pixel format named in its row, into each of the targets.
A cell tells the encoder and pixel format written, or the exit code it was refused with: below.
"""
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
    JSON.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    TABLE.write_text(page(results), encoding="utf-8")


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
    lines = ["| film | " + " | ".join(TARGETS) + " |", "|---" * (len(TARGETS) + 1) + "|"]
    notes: dict[str, int] = {}
    for name in SOURCES:
        if name not in rows:
            continue
        cells = []
        for suffix in TARGETS:
            text = rows[name].get(suffix, "")
            if text.startswith("refused"):
                number = notes.setdefault(text, len(notes) + 1)
                text = f"refused ({number})"
            cells.append(text)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", *(f"{number}. {text}" for text, number in notes.items()), ""]
    return "\n".join(lines)


def _counts(rows: dict[str, dict[str, int]]) -> str:
    lines = ["| film | coloured | refused | why |", "|---|---|---|---|"]
    for name in sorted(rows):
        tally = Counter(rows[name])
        refused = {text: n for text, n in tally.items() if text.startswith(("refused", "FAULT"))}
        reasons = "; ".join(f"{text} ({n})" if n > 1 else text for text, n in refused.items())
        reasons = reasons.replace("refused, ", "").replace("|", "\\|")
        lost = sum(refused.values())
        lines.append(f"| {name} | {tally.total() - lost} | {lost} | {reasons} |")
    return "\n".join([*lines, ""])
