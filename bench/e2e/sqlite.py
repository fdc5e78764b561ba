"""SQLite as an end: two files, and the sqlite3 program for its part of a pipe."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from server import Unavailable, run, say
from tables import NULL, Column, Table, Text


class Sqlite:
    kind = "sqlite"
    client_environment: dict[str, str] = {}
    server = None

    def __init__(self, data: Path, scale: str) -> None:
        self.folder = data / f"sqlite-{scale}"
        # In a folder of its own, since journals and locks lie beside a database.
        self.files = {"source": self.folder / "source/bench.db", "target": self.folder / "target/bench.db"}

    def start(self) -> None:
        if not shutil.which("sqlite3"):
            raise Unavailable("no sqlite3: apt-get install sqlite3")
        for file in self.files.values():
            file.parent.mkdir(parents=True, exist_ok=True)

    def stop(self) -> None:
        """There is no server."""

    def version(self) -> str:
        return f"SQLite {run(['sqlite3', '-version']).split()[0]}"

    def load(self, text: Text) -> None:
        table, mark = text.table, self.folder / f"loaded.{text.table.name}"
        if mark.exists():
            return
        say(f"loading {table.name} into SQLite")
        marks = ", ".join("?" * len(table.columns))
        with sqlite3.connect(self.files["source"]) as connection, text.path.open(encoding="utf-8") as lines:
            connection.execute(f"drop table if exists {table.name}")
            connection.execute(_ddl(table))
            rows = ([None if cell == NULL else cell for cell in line.rstrip("\n").split("\t")] for line in lines)
            connection.executemany(f"insert into {table.name} values ({marks})", rows)
        connection.close()
        mark.touch()

    def url(self, role: str) -> str:
        return f"sqlite:{self.files[role]}"

    def clear_target(self) -> None:
        shutil.rmtree(self.files["target"].parent)
        self.files["target"].parent.mkdir()

    def create(self, table: Table) -> None:
        run(["sqlite3", self.files["target"], _ddl(table)])

    def reader(self, table: Table, form: str) -> list[str]:
        return ["sqlite3", "-csv", str(self.files["source"]), f"select * from {table.name}"]

    def writer(self, table: Table, form: str) -> list[str]:
        return ["sqlite3", str(self.files["target"]), f".import --csv /dev/stdin {table.name}"]

    def dump(self, table: Table, cast: bool) -> list[str]:
        columns = ", ".join(_cast(c) if cast else c.name for c in table.columns)
        return ["sqlite3", "-readonly", "-list", "-separator", "\t", "-nullvalue", NULL,
                str(self.files["target"]), f"select {columns} from {table.name} order by id"]

    def rows(self, table: Table) -> int:
        return int(run(["sqlite3", "-readonly", self.files["target"], f"select count(*) from {table.name}"]))

    def has_primary_key(self, table: Table) -> bool:
        return run(["sqlite3", "-readonly", self.files["target"], "select count(*) from "
                    f"pragma_table_info('{table.name}') where name = 'id' and pk = 1"]) == "1"


def _ddl(table: Table) -> str:
    """Only `integer primary key` is the key of the table itself; any other may hold NULL."""
    return table.ddl.replace("id bigint primary key", "id integer primary key")


def _cast(column: Column) -> str:
    """Numbers with a scale are kept without their trailing zeros."""
    if column.type.startswith("decimal"):
        scale = column.type.rstrip(")").split(",")[1]
        return f"case when {column.name} is not null then printf('%.{scale}f', {column.name}) end"
    return column.name
