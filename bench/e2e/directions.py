"""What is copied from where to where, and the raw pipe that a skilled person would type for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from mysql import MariaDb, Mysql9
from postgres import Postgres
from sqlite import Sqlite
from tables import Table, Text

ENDS = {end.kind: end for end in (Postgres, MariaDb, Mysql9, Sqlite)}


@dataclass(frozen=True)
class Direction:
    name: str
    source: str
    target: str
    # The server refuses LOAD DATA LOCAL, so rows go in as INSERT; the pipe to compare with stays LOAD DATA.
    inserts: bool = False
    # All tables, not lineitem alone.
    shapes: bool = False

    @property
    def reads_only(self) -> bool:
        return self.target == "null"


DIRECTIONS = {direction.name: direction for direction in (
    Direction("pg-pg", "pg", "pg", shapes=True),
    Direction("pg-mariadb", "pg", "mariadb", shapes=True),
    Direction("mariadb-pg", "mariadb", "pg", shapes=True),
    Direction("pg-mysql", "pg", "mysql"),
    Direction("mysql-pg", "mysql", "pg"),
    Direction("mariadb-mariadb", "mariadb", "mariadb"),
    Direction("pg-mariadb-insert", "pg", "mariadb", inserts=True),
    Direction("pg-sqlite", "pg", "sqlite"),
    Direction("sqlite-pg", "sqlite", "pg"),
    Direction("pg-null", "pg", "null"),
    Direction("mariadb-null", "mariadb", "null"),
)}


@dataclass(frozen=True)
class Case:
    """One copy to be measured: the ends, the table, and where a contestant may put files."""

    direction: Direction
    source: Postgres | MariaDb | Mysql9 | Sqlite
    # None when rows are only read.
    target: Postgres | MariaDb | Mysql9 | Sqlite | None
    text: Text
    stem: Path

    @property
    def table(self) -> Table:
        return self.text.table


class Pipe:
    """The databases' own clients, into a table whose primary key is in place."""

    name = "pipe"
    must_have_key = True

    def runs(self, case: Case) -> bool:
        return True

    def prepare(self, case: Case) -> None:
        if case.target:
            case.target.create(case.table)

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        read, write = _forms(case)
        words = shlex.join(case.source.reader(case.table, read))
        words += f" | {shlex.join(case.target.writer(case.table, write))}" if case.target else " > /dev/null"
        environment = case.source.client_environment | (case.target.client_environment if case.target else {})
        return ["bash", "-o", "pipefail", "-c", words], environment

    def rows_read(self, output: str) -> int | None:
        return None  # the rows went to /dev/null


def _forms(case: Case) -> tuple[str, str]:
    """What the two clients are told about the form of the rows."""
    source, target = case.direction.source, case.direction.target
    if "sqlite" in (source, target):
        return "(format csv)", "(format csv)"
    if source == "pg" and target in ("pg", "null"):
        return "(format binary)", "(format binary)"
    # In MariaDB's text NULL is the word itself, which LOAD DATA believes only where quotes are possible.
    if source != "pg" and target == "pg":
        return "", "(null 'NULL')"
    if source != "pg" and case.table.has_nulls:
        return "", r"fields terminated by '\t' optionally enclosed by '\"'"
    return "", ""
