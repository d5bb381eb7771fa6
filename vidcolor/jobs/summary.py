"""What became of a batch: for people, as JSON, and as a page with stills of every film."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidcolor.errors import BatchError, BatchFailedError
from vidcolor.jobs.film import Outcome
from vidcolor.jobs.folder import Film
from vidcolor.jobs.ledger import Ledger
from vidcolor.report import plural, visible
from vidcolor.shots import clock
from vidcolor.webpage import escape, figure, write_page

_ORDER = ("failed", "exists", "busy", "todo", "done")
_WORDS = {
    "done": "coloured",
    "failed": "failed",
    "exists": "left alone, because something else is in the target's place",
    "busy": "left to another run",
    "todo": "still to do",
}


@dataclass(frozen=True, slots=True)
class Summary:
    """The films with their last states, and the figures of those that were worked at.

    ``colored`` of them were coloured by this call, in ``seconds`` of wall time.
    """

    source: Path
    target: Path
    films: Sequence[Film]
    outcomes: Mapping[str, Outcome]
    colored: int
    seconds: float
    photos: bool = False
    """Whether they are photographs, and not films."""

    @property
    def _all(self) -> str:
        return f"{plural(len(self.films), 'photo' if self.photos else 'film')}"

    def count(self, state: str) -> int:
        """How many films are in a state."""
        return sum(film.state == state for film in self.films)

    def check(self) -> None:
        """Raise BatchError if some films failed, BatchFailedError if nothing came of any."""
        failed = self.count("failed")
        if failed:
            kind = BatchError if self.count("done") else BatchFailedError
            raise kind(
                f"{self.source}: {failed} of {self._all} failed; mend them, or try them again with "
                "--retry-failed"
            )

    def to_text(self) -> str:
        """What failed or was left alone, a line each, and how many films came to what."""
        lines = [
            visible(f"{film.state:<7} {film.name}: {film.why}")
            for state in ("exists", "failed")
            for film in self.films
            if film.state == state
        ]
        counts = [f"{self.count(state)} {_WORDS[state]}" for state in reversed(_ORDER)]
        told = "; ".join(line for line in counts if not line.startswith("0 "))
        spent = f"{self.colored} of them now, in {self.seconds:.1f} s"
        return "\n".join([*lines, f"{self._all}: {told or 'nothing to do'}", spent])

    def to_json(self) -> str:
        """All of it but the stills."""
        values = {
            "source": str(self.source),
            "target": str(self.target),
            "counts": {state: self.count(state) for state in reversed(_ORDER)},
            "colored_now": self.colored,
            "seconds": round(self.seconds, 3),
            "films": [self._values(film) for film in self.films],
        }
        return json.dumps(values, indent=2)

    def _values(self, film: Film) -> dict[str, Any]:
        values: dict[str, Any] = {
            "name": film.name,
            "target": film.output,
            "state": film.state,
            "why": film.why or None,
        }
        outcome = self.outcomes.get(film.name)
        if outcome is not None and film.state == "done":
            values |= {
                "frames": outcome.frames,
                "length": outcome.length,
                "seconds": round(outcome.seconds, 3),
                "frames_per_second": round(outcome.frames_per_second, 3),
                "warnings": list(outcome.warnings),
            }
        return values

    def page(self, ledger: Ledger) -> Iterator[str]:
        """The page, film by film: only one film's stills are in memory at a time."""
        return write_page(f"vidcolor batch {self.source}", self._body(ledger))

    def _body(self, ledger: Ledger) -> Iterator[str]:
        yield f"<h1>{escape(self.source)}</h1>"
        yield "".join(f"<p>{escape(line)}</p>" for line in self.to_text().splitlines()[-2:])
        for state in _ORDER:
            films = [film for film in self.films if film.state == state]
            if films:
                yield f"<h2>{len(films)} {_WORDS[state]}</h2>"
            for film in films:
                yield self._section(film, ledger.strip(film.name) if state == "done" else b"")

    def _section(self, film: Film, strip: bytes) -> str:
        parts = [f"<h3>{escape(film.name)}</h3>"]
        outcome = self.outcomes.get(film.name)
        caption = film.why
        if outcome is not None and film.state == "done":
            long = "" if outcome.length is None else f"{clock(Fraction(outcome.length))}, "
            caption = (
                f"{film.output}: {long}{plural(outcome.frames, 'frame')}, coloured in "
                f"{outcome.seconds:.1f} s, {outcome.frames_per_second:.1f} frames/s"
            )
        if strip:
            parts.append(figure(strip, f"Stills of {film.output}", caption))
        elif caption:
            parts.append(f"<p>{escape(caption)}</p>")
        if outcome is not None and outcome.warnings:
            lines = "".join(f"<li>{escape(line)}</li>" for line in outcome.warnings)
            parts.append(f"<ul>{lines}</ul>")
        return "".join(parts)
