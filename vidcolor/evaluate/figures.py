"""The figures of steadiness: one clip's, the means over several, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vidcolor.evaluate.steadiness import SPAN, known_mean
from vidcolor.webpage import escape

Figures = dict[str, float]

VERSIONS = ("truth", "grey", "frame by frame", "film")
"""What is measured; the truth only of a clip that has one."""
FIGURES = (
    "judged_warp_error",
    "judged_long_range_error",
    "warp_error",
    "long_range_error",
    "cdc",
    "colorfulness",
    "psnr",
)
"""See `vidcolor.evaluate.steadiness` and `vidcolor.evaluate.metrics`. Those called judged need
another party's flow, PSNR a truth, and the long range eleven frames without a cut."""


@dataclass(frozen=True, slots=True)
class Steadiness:
    """One clip's figures by version (see `VERSIONS`), or the means over several clips.

    ``asked`` of ``frames`` frames were those the network was asked about in the film. What could
    not be measured is missing.
    """

    name: str
    frames: int
    asked: int
    figures: dict[str, Figures]

    @property
    def ratios(self) -> Figures:
        """The film's figures against those frame by frame; see `against`."""
        return self.against("film")

    def against(self, version: str) -> Figures:
        """A version's figures as shares of those frame by frame; of PSNR the difference in dB."""
        alone, other = self.figures["frame by frame"], self.figures.get(version, {})
        return {
            key: other[key] - alone[key] if key == "psnr" else other[key] / alone[key]
            for key in other
            if key in alone and (key == "psnr" or alone[key] > 0)
        }

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the ratios."""
        versions = {key.replace(" ", "_"): value for key, value in self.figures.items()}
        counts = {"name": self.name, "frames": self.frames, "asked": self.asked}
        return {**counts, **versions, "ratios": self.ratios}


def mean_steadiness(clips: Sequence[Steadiness]) -> Steadiness:
    """The means over clips, of which there is at least one; each over those that have the figure.

    Ratios are then those of the means. A figure that some version lacks in a clip, as truth does in
    black-and-white ones, is of fewer clips there.
    """
    figures: dict[str, Figures] = {}
    for version in VERSIONS:
        rows = [clip.figures[version] for clip in clips if version in clip.figures]
        means = {key: known_mean(row[key] for row in rows if key in row) for key in FIGURES}
        if rows:
            figures[version] = known(means)
    total, asked = sum(clip.frames for clip in clips), sum(clip.asked for clip in clips)
    return Steadiness(f"mean of {len(clips)} clips", total, asked, figures)


def known(figures: Figures) -> Figures:
    """Those that are numbers: what could not be measured is NaN."""
    return {key: value for key, value in figures.items() if not np.isnan(value)}


HEADS = {
    "judged_warp_error": ("judged", 1.0, 3),
    "judged_long_range_error": (f"over {SPAN}", 1.0, 3),
    "warp_error": ("warp", 1.0, 3),
    "long_range_error": (f"over {SPAN}", 1.0, 3),
    "cdc": ("CDC×1000", 1000.0, 3),
    "colorfulness": ("colourful", 1.0, 2),
    "psnr": ("PSNR", 1.0, 2),
}
"""Each figure's head, the factor it is shown with, and its decimals."""
MEANING = (
    "warp: mean distance in a*b* units from the last frame moved along the motion, by our own "
    f"flow, and over {SPAN} frames; judged: by the flow given. CDC: how the histograms of R'G'B' "
    "differ between frames; its floor is the film's own luma, so read it beside grey and truth, "
    "and beside colourfulness. Ratios are film to frame by frame, of PSNR the difference in dB."
)


@dataclass(frozen=True, slots=True)
class Table:
    """``heads`` of the columns, and the rows: a label, and as many cells or, for a title, none."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def build_table(clips: Sequence[Steadiness]) -> Table:
    """Each clip's versions and ratios, then the means if there are several clips."""
    blocks = [*clips, *([mean_steadiness(clips)] if len(clips) > 1 else [])]
    measured = {key for block in blocks for row in block.figures.values() for key in row}
    shown = [key for key in FIGURES if key in measured]
    rows: list[tuple[str, tuple[str, ...]]] = []
    for block in blocks:
        share = block.asked / max(1, block.frames)
        rows.append((f"{block.name}: network asked about {share:.0%} of {block.frames} frames", ()))
        for version, figures in block.figures.items():
            cells = []
            for key in shown:
                _, factor, places = HEADS[key]
                cells.append(f"{figures[key] * factor:.{places}f}" if key in figures else "")
            rows.append((version, tuple(cells)))
        ratios = block.ratios
        cells = []
        for key in shown:
            form = "+z.2f" if key == "psnr" else ".3f"
            cells.append(f"{ratios[key]:{form}}" if key in ratios else "")
        rows.append(("ratio", tuple(cells)))
    return Table(tuple(HEADS[key][0] for key in shown), tuple(rows))


def as_text(table: Table) -> str:
    """Lines of a terminal, at most 100 columns wide."""
    lines = [f"{'steadiness':<18}" + "".join(f"{head:>11}" for head in table.heads)]
    for label, cells in table.rows:
        # A title stands at the margin, what belongs to it further in.
        head = f"{'  ' + label:<18}" if cells else label
        lines.append((head + "".join(f"{cell:>11}" for cell in cells)).rstrip())
    return "\n".join(lines)


def as_html(table: Table) -> str:
    """A ``table`` element; all text is escaped."""
    head = "".join(f'<th scope="col">{escape(item)}</th>' for item in table.heads)
    rows = []
    for label, cells in table.rows:
        if cells:
            inner = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            rows.append(f'<tr><th scope="row">{escape(label)}</th>{inner}</tr>')
        else:
            wide = len(table.heads) + 1
            rows.append(f'<tr><th scope="rowgroup" colspan="{wide}">{escape(label)}</th></tr>')
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
