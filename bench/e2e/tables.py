"""The tables that are copied: columns, rows, and the same text for every server to load.

The text is at the same time the reference: a copy is right when its dump in key order has the checksum
of this file. So no value needs escaping in the text form of any database, and NULL is written as \\N.
Rows come from Python's generator seeded with the table's name, hence every machine makes the same.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

NULL = r"\N"


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    nullable: bool = False

    @property
    def ddl(self) -> str:
        key = " primary key" if self.name == "id" else "" if self.nullable else " not null"
        return f"{self.name} {self.type}{key}"


@dataclass(frozen=True)
class Table:
    """A table, and what makes its rows without the key in front."""

    name: str
    columns: tuple[Column, ...]
    rows_at_scale_one: int
    make: Callable[[Random, int], Iterator[list[str]]] | None = None

    @property
    def ddl(self) -> str:
        return f"create table {self.name} ({', '.join(column.ddl for column in self.columns)})"

    @property
    def has_nulls(self) -> bool:
        return any(column.nullable for column in self.columns)

    @property
    def is_padded(self) -> bool:
        """char(n) comes back padded from PostgreSQL and stripped from MySQL."""
        return any(column.type.startswith("char(") for column in self.columns)


@dataclass(frozen=True)
class Text:
    """A table as tab-separated text on disk."""

    table: Table
    path: Path
    rows: int
    bytes: int
    md5: str


def _columns(*words: str) -> tuple[Column, ...]:
    """`name type` for a column that is never NULL, `name type?` for one that may be."""
    split = [word.split(" ", 1) for word in ("id bigint", *words)]
    return tuple(Column(name, type.rstrip("?"), type.endswith("?")) for name, type in split)


# --- four integers ------------------------------------------------------------------------------

def _narrow(dice: Random, rows: int) -> Iterator[list[str]]:
    for _ in range(rows):
        bits = dice.getrandbits(96)
        yield [str(bits & 0x7FFFFFFF), str((bits >> 32) % 100_000), str(bits >> 80)]


# --- a hundred columns of the usual types -------------------------------------------------------

_WIDE_TYPES = ("integer", "bigint", "decimal(12,2)", "date", "varchar(20)")
_FIRST_DAY = date(1992, 1, 1)
_DAYS = [str(_FIRST_DAY + timedelta(days)) for days in range(4096)]


def _wide(dice: Random, rows: int) -> Iterator[list[str]]:
    for _ in range(rows):
        row = []
        for index in range(99):
            bits = dice.getrandbits(40)
            match index % len(_WIDE_TYPES):
                case 0: row.append(str(bits & 0xFFFFFF))
                case 1: row.append(str(bits))
                case 2: row.append(f"{bits % 1_000_000}.{bits % 100:02}")
                case 3: row.append(_DAYS[bits & 4095])
                case _: row.append(f"word {bits:x}")
        yield row


# --- texts of two thousand characters -----------------------------------------------------------

_LETTERS = "abcdefghijklmnopqrstuvwxyzäßé東 "
_POOL_LENGTH = 1 << 16


def _texts(dice: Random, rows: int) -> Iterator[list[str]]:
    # Slices of one pool: two thousand throws for each row would take minutes.
    pool = "".join(_LETTERS[dice.getrandbits(5)% len(_LETTERS)] for _ in range(_POOL_LENGTH))
    for _ in range(rows):
        start = dice.getrandbits(15)
        yield [f"<{pool[start:start + 1900 + dice.getrandbits(7)]}>"]


# --- nine cells of ten are NULL -----------------------------------------------------------------

_SPARSE_TYPES = ("integer?", "decimal(12,2)?", "date?", "varchar(20)?")


def _sparse(dice: Random, rows: int) -> Iterator[list[str]]:
    for _ in range(rows):
        row = [NULL] * 20
        for _ in range(2):
            bits = dice.getrandbits(40)
            index = bits % 20
            match index % len(_SPARSE_TYPES):
                case 0: row[index] = str(bits & 0xFFFFFF)
                case 1: row[index] = f"{bits % 1_000_000}.{bits % 100:02}"
                case 2: row[index] = _DAYS[(bits >> 8) & 4095]
                case _: row[index] = f"word {bits:x}"
        yield row


LINEITEM = Table("lineitem", _columns(
    "l_orderkey integer", "l_partkey integer", "l_suppkey integer", "l_linenumber integer",
    "l_quantity decimal(15,2)", "l_extendedprice decimal(15,2)", "l_discount decimal(15,2)",
    "l_tax decimal(15,2)", "l_returnflag char(1)", "l_linestatus char(1)", "l_shipdate date",
    "l_commitdate date", "l_receiptdate date", "l_shipinstruct char(25)", "l_shipmode char(10)",
    "l_comment varchar(44)"), 6_001_215)

# Rows at scale 1 are guessed so that a copy between two PostgreSQL takes a few seconds: 100 to 400 MB of text.
TABLES = {table.name: table for table in (
    LINEITEM,
    Table("narrow", _columns("a integer", "b integer", "c integer"), 5_000_000, _narrow),
    Table("wide", _columns(*(f"c{index} {_WIDE_TYPES[index % 5]}" for index in range(99))), 200_000, _wide),
    Table("texts", _columns("body text"), 150_000, _texts),
    Table("sparse", _columns(*(f"c{index} {_SPARSE_TYPES[index % 4]}" for index in range(20))), 2_000_000, _sparse),
)}


def text_of(table: Table, scale: str, folder: Path, tpchgen: Callable[[], Path]) -> Text:
    """The text of a table, made once and kept; `tpchgen` finds the generator of lineitem when it is needed."""
    path = folder / f"{table.name}-{scale}.tsv"
    checksum = Path(f"{path}.md5")
    if not checksum.exists():
        lines = _lineitem(scale, folder, tpchgen()) if table.make is None else _lines(table, scale)
        md5 = hashlib.md5()
        with path.open("wb") as file:
            for line in lines:
                md5.update(line)
                file.write(line)
        checksum.write_text(md5.hexdigest() + "\n")
    with path.open("rb") as file:
        rows = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    return Text(table, path, rows, path.stat().st_size, checksum.read_text().strip())


def _lines(table: Table, scale: str) -> Iterator[bytes]:
    rows = max(1, round(table.rows_at_scale_one * float(scale)))
    for id, cells in enumerate(table.make(Random(table.name), rows), start=1):
        yield ("\t".join((str(id), *cells)) + "\n").encode()


def _lineitem(scale: str, folder: Path, tpchgen: Path) -> Iterator[bytes]:
    """The generator ends each line with a bar, which would be one more, empty field, and writes the
    quantity without the two digits that its type has."""
    subprocess.run([tpchgen, "-s", scale, "--tables", "lineitem", "--output-dir", folder], check=True,
                   stdout=subprocess.DEVNULL)
    made = folder / "lineitem.tbl"
    with made.open("rb") as file:
        for id, line in enumerate(file, start=1):
            cells = line.rstrip(b"|\n").split(b"|")
            cells[4] += b".00"
            yield b"%d\t%s\n" % (id, b"\t".join(cells))
    made.unlink()
