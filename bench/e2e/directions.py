"""What is copied from where to where."""

from __future__ import annotations

from dataclasses import dataclass


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
