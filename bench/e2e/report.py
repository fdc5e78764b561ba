"""The results: every round as JSON, medians and ratios as Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from bars import BARS, BATCHES, DEFAULT, READ_BY_CONNECTORX, Bar
from compare import Verdict
from measure import Measured


@dataclass(frozen=True)
class Round:
    round: int
    direction: str
    table: str
    contestant: str
    measured: Measured
    verdict: Verdict

    @property
    def cpu(self) -> float:
        return self.measured.user + self.measured.system


@dataclass
class Results:
    started_at: str
    command: str
    scale: str
    machine: dict[str, object]
    versions: dict[str, str] = field(default_factory=dict)
    tables: dict[str, dict[str, object]] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def is_full_size(self) -> bool:
        return float(self.scale) == 1

    def of(self, direction: str, contestant: str, table: str = "lineitem") -> list[Round]:
        return [r for r in self.rounds if (r.direction, r.contestant, r.table) == (direction, contestant, table)]

    def cases(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys((r.table, r.direction) for r in self.rounds))

    def contestants(self, table: str, direction: str) -> list[str]:
        """In the order of the first round."""
        return list(dict.fromkeys(r.contestant for r in self.rounds if (r.table, r.direction) == (table, direction)))

    def wrong(self) -> list[str]:
        """What must not happen: the pipe or rowferry failed, or a copy of theirs is not equal."""
        ours = ("pipe", BATCHES, DEFAULT, READ_BY_CONNECTORX)
        return [f"{what}: {reason}" for what, reason in self.failed.items() if what.endswith(ours)] + [
            f"{r.direction} {r.table} {r.contestant}: {r.verdict}" for r in self.rounds
            if r.contestant in ours and r.verdict.equal == "no"]

    def write(self, folder: Path, name: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        # A second run of one day is another result, not a better one.
        stem, count = folder / name, 1
        while stem.with_name(f"{stem.name}.json").exists():
            count += 1
            stem = folder / f"{name}-{count}"
        document = {"version": 1, **asdict(self)}
        document["rounds"] = [{"round": r.round, "direction": r.direction, "table": r.table,
                               "contestant": r.contestant, **asdict(r.measured), "equal": str(r.verdict)}
                              for r in self.rounds]
        stem.with_name(f"{stem.name}.json").write_text(json.dumps(document, indent=1) + "\n")
        markdown = stem.with_name(f"{stem.name}.md")
        markdown.write_text(self.markdown())
        return markdown

    def markdown(self) -> str:
        machine = self.machine
        parts = [f"# {self.started_at[:10]}: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB",
                 f"`{self.command}`, load {machine['load_before']:.1f} before it. "
                 f"{', '.join(self.versions.values())}.",
                 "Medians, seconds with the least and the greatest. × pipe: wall seconds over those of the pipe. "
                 "× rowferry: over those of rowferry, where it has two lines the first of them."]
        for table in dict.fromkeys(table for table, _ in self.cases()):
            facts = self.tables[table]
            parts += [f"## {table}: {facts['rows']:,} rows, {facts['bytes'] / 1e6:,.1f} MB as text",
                      _table(["direction", "what", "wall s", "× pipe", "× rowferry", "client CPU s",
                              "servers' CPU s", "peak MiB", "equal"], self._lines(table))]
        if self.skipped or self.failed:
            parts.append("## Not measured")
            parts.append("\n".join([f"- skipped: {name} ({reason})" for name, reason in self.skipped.items()] +
                                   [f"- failed: {name} ({reason})" for name, reason in self.failed.items()]))
        if pairs := self._pairs():
            parts += ["## Against the build before it", _table(
                ["direction", "table", "what", "client CPU, now over before: median", "least", "greatest", "pairs"], pairs)]
        parts += ["## Bars", "With lineitem. They are meant for scale 1 on a quiet machine"
                  f"{'.' if self.is_full_size else f'; this is scale {self.scale}.'}", _table(["bar", "at most", "stretch", "measured", "met"],
                                    [self._bar(bar) for bar in BARS])]
        return "\n\n".join(parts) + "\n"

    def _lines(self, table: str) -> list[list[str]]:
        lines = []
        for direction in (direction for name, direction in self.cases() if name == table):
            names = self.contestants(table, direction)
            pipe = self.of(direction, "pipe", table)
            ours = next((self.of(direction, name, table) for name in names if name.startswith("rowferry")), [])
            for name in names:
                rounds = self.of(direction, name, table)
                lines.append([direction, name, _spread([r.measured.seconds for r in rounds]),
                              _ratio(rounds, pipe), _ratio(rounds, ours),
                              f"{median(r.cpu for r in rounds):.2f}", _servers(rounds),
                              f"{_peak_mib(rounds):.0f}", _worst(rounds)])
        return lines

    def _pairs(self) -> list[list[str]]:
        """Client CPU of each build over that of the build before it, round by round."""
        lines = []
        for table, direction in self.cases():
            for name in self.contestants(table, direction):
                if not name.startswith("before"):
                    continue
                before = {r.round: r.cpu for r in self.of(direction, name, table)}
                ours = name.replace("before", DEFAULT)
                ratios = [r.cpu / before[r.round] for r in self.of(direction, ours, table) if before.get(r.round)]
                if ratios:
                    lines.append([direction, table, ours, f"{median(ratios):.3f}", f"{min(ratios):.3f}",
                                  f"{max(ratios):.3f}", str(len(ratios))])
        return lines

    def _bar(self, bar: Bar) -> list[str]:
        rounds, pipe = self.of(bar.direction, bar.contestant), self.of(bar.direction, "pipe")
        value = None
        if rounds and bar.measure == "peak":
            value = _peak_mib(rounds)
        elif rounds and bar.measure == "cpu" and self.is_full_size:
            value = median(r.cpu for r in rounds)
        elif rounds and pipe and bar.measure == "ratio":
            value = _seconds(rounds) / _seconds(pipe)
        measured = "not measured" if value is None else f"{value:.0f}" if bar.measure == "peak" else f"{value:.2f}"
        met = "–" if value is None else "yes" if value <= bar.limit else "no"
        if value is not None and bar.stretch is not None and value <= bar.stretch:
            met = "yes, the stretch too"
        return [bar.what, f"{bar.limit:g}", "–" if bar.stretch is None else f"{bar.stretch:g}", measured, met]


def _seconds(rounds: list[Round]) -> float:
    return median(r.measured.seconds for r in rounds)


def _peak_mib(rounds: list[Round]) -> float:
    return max(r.measured.peak_kib for r in rounds) / 1024


def _servers(rounds: list[Round]) -> str:
    seconds = [r.measured.servers for r in rounds if r.measured.servers is not None]
    return f"{median(seconds):.1f}" if seconds else "–"


def _ratio(rounds: list[Round], base: list[Round]) -> str:
    return f"{_seconds(rounds) / _seconds(base):.2f}" if base else "–"


def _spread(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"


def _worst(rounds: list[Round]) -> str:
    """The verdict of the round that was worst."""
    order = ["no", "not comparable", "not checked", "yes"]
    return str(min((r.verdict for r in rounds), key=lambda verdict: order.index(verdict.equal)))


def _table(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    # A bar inside a cell would end it.
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
