"""What a comparison of models found, as text and as JSON; `vidcolor.evaluate.page` makes a page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from vidcolor.evaluate.figures import Steadiness, as_text, build_table, mean_steadiness
from vidcolor.evaluate.photos import PhotoScore, summarise


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo, or one frame of a clip, as JPEG files: grey, by each model, and the truth."""

    name: str
    grey: bytes
    coloured: tuple[bytes, ...]
    truth: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """One model's scores. ``label`` is what people call it, ``model`` says exactly what ran.

    ``scores`` are of what has true colours, ``steadiness`` is of every clip.
    """

    label: str
    model: dict[str, str]
    scores: tuple[PhotoScore, ...]
    steadiness: tuple[Steadiness, ...] = ()

    @property
    def summary(self) -> dict[str, float]:
        """The means, see `vidcolor.evaluate.photos.summarise`; empty if no colours are true."""
        return summarise(self.scores)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: ``model``, ``summary``, ``photos``; of clips also ``clips``, if their colours
        are true, and ``steadiness``, which holds ``clips`` and their ``mean``."""
        photos = [item.to_dict() for item in self.scores if item.frames is None]
        clips = [item.to_dict() for item in self.scores if item.frames is not None]
        values = {"model": self.model, "summary": self.summary, "photos": photos}
        if clips:
            values["clips"] = clips
        if self.steadiness:
            values["steadiness"] = {
                "clips": [item.to_dict() for item in self.steadiness],
                "mean": mean_steadiness(self.steadiness).to_dict(),
            }
        return values


@dataclass(frozen=True, slots=True)
class Comparison:
    """One result for each model, with scores in the same order; ``shots`` too, if kept."""

    results: tuple[Result, ...]
    shots: tuple[Shot, ...]

    def to_json(self) -> str:
        """One model's result, or ``{"models": [...]}`` with those of several.

        The same models, photos and options on the same machine give the same text.
        """
        values = [item.to_dict() for item in self.results]
        return json.dumps(values[0] if len(values) == 1 else {"models": values}, indent=1)

    def to_text(self) -> str:
        """The summaries as a table: a line for each figure, a column for each model. Then, of
        clips, a table of steadiness for each model."""
        labels = [item.label for item in self.results]
        several = len(labels) > 1
        widths = [max(9, len(label) + 2) if several else 9 for label in labels]
        columns = [item.summary for item in self.results]
        head = "".join(f"{label:>{width}}" for label, width in zip(labels, widths, strict=True))
        lines = [" " * 24 + head] if several and columns[0] else []
        for name in columns[0]:
            cells = (f"{one[name]:{width}.3f}" for one, width in zip(columns, widths, strict=True))
            lines.append(f"{name.replace('_', ' '):<24}{''.join(cells)}")
        for item in self.results:
            if item.steadiness:
                lines += ["", *([f"{item.label}:"] if several else [])]
                lines.append(as_text(build_table(item.steadiness)))
        return "\n".join(lines)
