"""Measured figures beside their bars, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    what: str
    measured: float
    unit: str
    bar: float | None = None
    # A bar is a least value for some.
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return ""
        return "reached" if (self.measured >= self.bar if self.at_least else self.measured <= self.bar) else "missed"


def markdown(lines: list[Line]) -> str:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"

    rows = [f"| {line.what} | {number(line.measured)} {line.unit} | "
            f"{'≥ ' if line.at_least and line.bar else ''}{number(line.bar)} | {line.verdict} |" for line in lines]
    return "\n".join(["| what | measured | bar | |", "|---|---:|---:|---|", *rows])


def write(stem: Path, lines: list[Line], about: dict) -> Path:
    """`about` says of what run these lines are."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(
        about | {"lines": [asdict(line) | {"verdict": line.verdict} for line in lines]}, indent=1) + "\n")
    return stem
