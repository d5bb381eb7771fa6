"""What a verification found: one `Check` for each part of the promise, for people and programs."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

Outcome = Literal["same", "changed", "lost", "note"]
"""``changed`` and ``lost`` break the promise; a ``note`` is told and breaks nothing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared."""

    name: str
    outcome: Outcome
    says: str
    """One short sentence."""
    numbers: Mapping[str, int | float | None] = field(default_factory=dict)
    """What was measured; times are in seconds, None is infinite or unknown."""

    @property
    def holds(self) -> bool:
        """False where the promise is broken."""
        return self.outcome in ("same", "note")

    def __str__(self) -> str:
        return f"{self.outcome}: {self.name}: {self.says}"


@dataclass(frozen=True, slots=True)
class Verification:
    """All checks of one pair of files, in the order of the promise."""

    source: str
    target: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """True if no check found anything changed or lost."""
        return all(check.holds for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that broke the promise."""
        return tuple(check for check in self.checks if not check.holds)

    def to_text(self) -> str:
        """A table of the checks, and a line that sums them up."""
        width = max(len(check.name) for check in self.checks)
        rows = [f"{c.outcome:<9}{c.name:<{width}}  {c.says}" for c in self.checks]
        return "\n".join([*rows, self.summary()])

    def summary(self) -> str:
        """One line: whether the promise is kept, and how many checks say what."""
        counts = Counter(check.outcome for check in self.checks)
        told = ", ".join(f"{counts[kind]} {kind}" for kind in counts)
        return f"{'verified' if self.passed else 'not as it went in'}: {self.target}: {told}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"passed": self.passed, **dataclasses.asdict(self)}

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


def milliseconds(time: Fraction) -> str:
    """A short time for reading."""
    if abs(time) >= 1:
        return f"{float(time):.2f} s"
    return f"{float(time * 1000):.3g} ms"
