"""What rowferry must reach, set before it was measured; docs/benchmarks.md carries the same table.

Ratios are to the raw pipe of the same direction in the same run, with lineitem; they mean something at scale 1 on a
quiet machine, where a copy takes ten seconds and not one.
"""

from __future__ import annotations

from dataclasses import dataclass

BATCHES, DEFAULT = "rowferry through batches", "rowferry"
# ConnectorX's reader, our sink.
READ_BY_CONNECTORX = "rowferry read by connectorx"


@dataclass(frozen=True)
class Bar:
    direction: str
    contestant: str
    limit: float
    stretch: float | None
    origin: str
    # `ratio`: wall seconds over those of the pipe. `cpu`: client seconds at scale 1. `peak`: MiB.
    measure: str = "ratio"

    @property
    def what(self) -> str:
        unit = {"ratio": "× pipe", "cpu": "client CPU s at scale 1", "peak": "peak MiB"}[self.measure]
        return f"{self.direction}, {self.contestant}: {unit}"


BARS = (
    Bar("pg-pg", BATCHES, 0.82, 0.76, "as the next one, and a tenth of it for decoding and encoding"),
    Bar("pg-pg", DEFAULT, 0.78, 0.70, "a trial of 40 lines with two workers and no decoding took 0.75"),
    Bar("mariadb-pg", DEFAULT, 0.75, 0.65, "two cores allow 0.57 when the client costs nothing"),
    Bar("mysql-pg", DEFAULT, 0.75, 0.65, "as mariadb-pg"),
    Bar("pg-mariadb", DEFAULT, 1.00, 0.90, "the server is the limit: two pipes at once took 1.17"),
    Bar("pg-mysql", DEFAULT, 0.85, 0.75, "two pipes at once took 0.80"),
    Bar("pg-mariadb-insert", DEFAULT, 1.6, 1.3, "INSERT of 2,000 rows by hand took 2.0; of LOAD DATA"),
    Bar("mariadb-mariadb", DEFAULT, 1.00, 0.90, "guessed, as pg-mariadb"),
    Bar("pg-sqlite", DEFAULT, 0.5, None, "guessed: no CSV to write and to parse"),
    Bar("sqlite-pg", DEFAULT, 0.6, None, "guessed: no CSV to write and to parse"),
    Bar("pg-null", DEFAULT, 1.1, None, "one stream: decoding hides behind the server"),
    Bar("mariadb-null", DEFAULT, 1.1, 0.9, "one stream: a trial with the binary protocol took 0.88"),
    Bar("pg-pg", BATCHES, 4, None, "ADBC took 22, sling 49", "cpu"),
    Bar("pg-pg", BATCHES, 200, None, "the budget of 96 MiB and as much again", "peak"),
    Bar("mariadb-pg", DEFAULT, 200, None, "as above", "peak"),
    Bar("pg-mariadb", DEFAULT, 200, None, "as above", "peak"),
)
