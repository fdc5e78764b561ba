"""rowferry itself: one binary, as a person would call it."""

from __future__ import annotations

import json
from pathlib import Path

from bars import READ_BY_CONNECTORX
from contestant import Case
from server import run
from tables import LINEITEM


class Rowferry:
    """`rowferry copy` with the defaults. With `batches` bytes may not pass through undecoded, even where both ends are
    the same engine: that is the way of every other direction, so it is the figure to quote first."""

    must_have_key = True

    def __init__(self, name: str, program: Path, arguments: list[str], batches: bool = False) -> None:
        self.name, self.program, self.arguments, self.batches = name, program, arguments, batches

    @property
    def tool(self) -> str:
        return self.name.split()[0]

    def runs(self, case: Case) -> bool:
        return not self.batches or case.direction.source == case.direction.target == "pg"

    def prepare(self, case: Case) -> None:
        """The target makes its own table."""

    def source(self, case: Case) -> str:
        return case.source.url("source")

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        source = self.source(case)
        target = case.target.url("target") if case.target else "null:"
        if self.batches:
            words = ["run", str(_job_file(case, source, target))]
        else:
            words = ["copy", source, target, "--table", case.table.name]
        # One stream against one stream.
        words += ["--workers", "1"] if case.direction.reads_only else []
        words += ["--state", f"{case.stem}.state.db", "--output", "json", "--progress", "none"]
        return [str(self.program), *words, *self.arguments], {}

    def rows_read(self, output: str) -> int | None:
        return json.loads(output.splitlines()[-1])["totals"]["rows_read"]

    def version(self) -> str:
        return run([self.program, "--version"])


class ReadByConnectorX(Rowferry):
    """ConnectorX's reader before our sink: what another reader would make of the same copy. With lineitem only."""

    directions = ("pg-pg", "mariadb-pg", "mysql-pg", "pg-null", "mariadb-null")

    def __init__(self, program: Path, helper: Path, arguments: list[str]) -> None:
        super().__init__(READ_BY_CONNECTORX, program, arguments)
        self.helper = helper

    def runs(self, case: Case) -> bool:
        return case.direction.name in self.directions and case.table is LINEITEM

    def source(self, case: Case) -> str:
        return f"connectorx+{super().source(case)}"

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        words, environment = super().command(case)
        return words, environment | {"ROWFERRY_CONNECTORX": str(self.helper)}


def _job_file(case: Case, source: str, target: str) -> Path:
    """`passthrough` is a key of the job file; JSON is YAML too."""
    job = {"name": "bench", "source": source, "target": target, "settings": {"passthrough": False},
           "tables": [case.table.name]}
    file = Path(f"{case.stem}.job.yaml")
    file.write_text(json.dumps({"version": 1, "jobs": [job]}))
    return file
