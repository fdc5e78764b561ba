"""What a database does in a benchmark, as source or as target."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from mysql import MariaDb, Mysql9
from postgres import Postgres
from server import Server
from sqlite import Sqlite
from tables import Table, Text


class End(Protocol):
    kind: str
    # What its client wants to find in the environment.
    client_environment: dict[str, str]
    # None before the start, and where there is none.
    server: Server | None

    def __init__(self, data: Path, scale: str) -> None: ...

    def start(self) -> None:
        """Makes the end ready, or raises `Unavailable`."""

    def stop(self) -> None: ...

    def version(self) -> str: ...

    def load(self, text: Text) -> None:
        """Makes the table in the source database, unless it is there."""

    def url(self, role: str) -> str:
        """As rowferry takes it; `role` is source or target."""

    def clear_target(self) -> None:
        """An empty target database, and a server that does not still write what the run before left."""

    def create(self, table: Table) -> None:
        """The empty table with its key in the target database."""

    def reader(self, table: Table, form: str) -> list[str]:
        """The client's command that prints the table of the source."""

    def writer(self, table: Table, form: str) -> list[str]:
        """The client's command that fills the table of the target."""

    def dump(self, table: Table, cast: bool) -> list[str]:
        """The client's command that prints the table of the target in key order; `cast`: in the source's types."""

    def rows(self, table: Table) -> int: ...

    def has_primary_key(self, table: Table) -> bool: ...


ENDS: dict[str, type[End]] = {end.kind: end for end in (Postgres, MariaDb, Mysql9, Sqlite)}
