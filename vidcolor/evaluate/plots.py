"""Small plots as inline SVG, for the report's page, whose style sheet gives them their colours.

A series is a label and its values; the n-th one has the class ``s{n}``. All text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from vidcolor.webpage import escape

WIDTH, HEIGHT = 420, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 8, 10, 42
_TICKS = 6
_BINS = 30


def scatter(
    series: Sequence[tuple[str, Sequence[tuple[float, float, str]]]], across: str, up: str
) -> str:
    """Points (x, y, name), the name to be seen on pointing at them."""
    points = [point for _, values in series for point in values]
    axes = _Axes([x for x, _, _ in points] + [0], [y for _, y, _ in points] + [0])
    marks = (
        f'<circle class="s{n}" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="2.5">'
        f"<title>{escape(name)}: {x:.1f}, {y:.2f}</title></circle>"
        for n, (_, values) in enumerate(series)
        for x, y, name in values
    )
    return _svg(f"{up} against {across}", [*axes.draw(across, up), *marks])


def histogram(series: Sequence[tuple[str, Sequence[float]]], across: str) -> str:
    """How many values lie where, in bins that all series share."""
    everything = [value for _, values in series for value in values]
    low, high = min(everything), max(everything)
    bins = min(_BINS, math.ceil(2 * math.sqrt(len(everything) / len(series))))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1).tolist()
    counts = [np.histogram(values, edges)[0].tolist() for _, values in series]
    axes = _Axes(edges, [0, max(max(row) for row in counts)], whole=True)
    marks = []
    for n, row in enumerate(counts):
        steps = [f"M{axes.x(edges[0]):.1f} {axes.y(0):.1f}"]
        for count, right in zip(row, edges[1:], strict=True):
            steps.append(f"V{axes.y(count):.1f}H{axes.x(right):.1f}")
        marks.append(f'<path class="area s{n}" d="{"".join(steps)}V{axes.y(0):.1f}Z"/>')
    return _svg(f"How often each {across} occurs", [*axes.draw(across, "number"), *marks])


def curve(
    series: Sequence[tuple[str, Sequence[float]]], places: Sequence[object], across: str, up: str
) -> str:
    """One line a series over ``places``, which stand at equal distances."""
    axes = _Axes(range(len(places)), [y for _, values in series for y in values] + [0])
    marks = []
    for n, (_, values) in enumerate(series):
        corners = [f"{axes.x(at):.1f},{axes.y(y):.1f}" for at, y in enumerate(values)]
        marks.append(f'<polyline class="line s{n}" points="{" ".join(corners)}"/>')
        for corner, y in zip(corners, values, strict=True):
            cx, cy = corner.split(",")
            marks.append(
                f'<circle class="s{n}" cx="{cx}" cy="{cy}" r="3"><title>{y:.2f}</title></circle>'
            )
    return _svg(f"{up} against {across}", [*axes.draw(across, up, places), *marks])


class _Axes:
    """From values to pixels, over the range of the values given; ``whole`` where y counts."""

    def __init__(self, xs: Iterable[float], ys: Iterable[float], *, whole: bool = False) -> None:
        self._x, self._y, self._whole = _span(xs), _span(ys), whole

    def x(self, value: float) -> float:
        low, high = self._x
        return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._y
        return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    def draw(self, across: str, up: str, places: Sequence[object] | None = None) -> list[str]:
        """Grid, ticks and labels; ``places`` are the names of 0, 1, 2 … instead of numbers."""
        right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
        found = []
        for tick in _ticks(*self._y, least=1 if self._whole else 0):
            kind = "zero" if tick == 0 else "grid"
            at = f"{self.y(tick):.1f}"
            found.append(f'<path class="{kind}" d="M{_LEFT} {at}H{right}"/>')
            found.append(_text(_LEFT - 5, self.y(tick) + 4, f"{tick:g}", "end"))
        named = [(tick, f"{tick:g}") for tick in _ticks(*self._x)]
        if places is None and self._x[0] <= 0 <= self._x[1]:
            found.append(f'<path class="zero" d="M{self.x(0):.1f} {_TOP}V{bottom}"/>')
        if places is not None:
            named = [(float(at), str(place)) for at, place in enumerate(places)]
        found += [_text(self.x(at), bottom + 15, name, "middle") for at, name in named]
        found.append(_text((_LEFT + right) / 2, HEIGHT - 8, across, "middle"))
        middle = (_TOP + bottom) / 2
        found.append(
            f'<text transform="translate(12 {middle:g}) rotate(-90)" text-anchor="middle">'
            f"{escape(up)}</text>"
        )
        return found


def _span(values: Iterable[float]) -> tuple[float, float]:
    values = list(values)
    low, high = float(min(values)), float(max(values))
    margin = (high - low) * 0.03 or 0.5
    return low - margin, high + margin


def _ticks(low: float, high: float, least: float = 0) -> list[float]:
    """Round numbers between ``low`` and ``high``, about six, and ``least`` apart."""
    rough = max((high - low) / _TICKS, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(title: str, parts: Iterable[str]) -> str:
    name = escape(title)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">'
        f"<title>{name}</title>{''.join(parts)}</svg>"
    )
