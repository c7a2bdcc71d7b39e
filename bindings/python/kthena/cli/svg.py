"""Charts as SVG text: axes, lines and bands. Colours are left to the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Scale:
    """From data to a place on the page, linear or by the logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    marks: tuple[float, ...] = ()  #: the ticks, where they are not to be round numbers

    def __call__(self, value: float) -> float:
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """Round numbers within the scale, about `count` of them."""
        if self.marks:
            return list(self.marks)
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if len(decades) <= 4 else (1,)
            found = [step * 10.0**decade for decade in decades for step in steps]
        else:
            raw = (self.high - self.low) / max(count, 1)
            size = 10.0 ** math.floor(math.log10(raw))
            step = next(step * size for step in (1, 2, 2.5, 5, 10) if step * size >= raw * 0.999)
            found = [step * i for i in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return [tick for tick in found if self.low * (1 - 1e-9) <= tick <= self.high * (1 + 1e-9)]


def number(value: float) -> str:
    """Short, for axes and cells."""
    if value == 0:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:,.0f}k"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}"


def points(xs: Iterable[float], ys: Iterable[float]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))


def line(xs: Iterable[float], ys: Iterable[float], css: str) -> str:
    return f'<path class="{css}" d="{points(xs, ys)}"/>'


def band(xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], css: str) -> str:
    forth, back = points(xs, highs), points(reversed(xs), reversed(lows))
    return f'<path class="{css}" d="{forth}L{back[1:]}Z"/>'


def text(x: float, y: float, content: str, css: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(content)}</text>'


def axes(x: Scale, y: Scale, x_label: str, y_label: str, x_ticks: int = 6, y_ticks: int = 4) -> str:
    """Grid lines with numbers, the x label below and the y label above the axis. `y.start` is the bottom."""
    parts = []
    for tick in y.ticks(y_ticks):
        at = y(tick)
        parts.append(f'<line class="grid" x1="{x.start:.1f}" x2="{x.end:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(text(x.start - 6, at + 4, number(tick), "tick", "end"))
    for tick in x.ticks(x_ticks):
        at = x(tick)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{y.start:.1f}" y2="{y.end:.1f}"/>')
        parts.append(text(at, y.start + 16, number(tick), "tick", "middle"))
    parts.append(text(x.end, y.start + 32, x_label, "label", "end"))
    if y_label:
        parts.append(text(x.start, y.end - 8, y_label, "label"))
    return "".join(parts)


def figure(name: str, width: int, height: int, title: str, description: str, body: str) -> str:
    """One image with what a screen reader says of it. `name` is unique on the page."""
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>{body}</svg>'
    )
