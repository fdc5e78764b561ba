"""Whatever copies a table: the pipe, rowferry, another tool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from directions import Direction
from ends import End
from tables import Table, Text


@dataclass(frozen=True)
class Case:
    """One copy to be measured: the ends, the table, and where a contestant may put files."""

    direction: Direction
    source: End
    # None when rows are only read.
    target: End | None
    text: Text
    stem: Path

    @property
    def table(self) -> Table:
        return self.text.table


class Contestant(Protocol):
    name: str
    # Whether a copy without a primary key is wrong, or only worth a note.
    must_have_key: bool

    def runs(self, case: Case) -> bool:
        """Whether it is measured in this case."""

    def prepare(self, case: Case) -> None:
        """What is done in the empty target before the clock starts."""

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        """The command to be timed, and what it wants to find in the environment."""

    def rows_read(self, output: str) -> int | None:
        """How many rows it says it read, where nothing is written; None if it says nothing."""
