"""How long a comparison takes, of the plain read of its slower side in the same round."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import peers
from ends import End
from lines import Line
from measure import Measured, timed
from server import Unavailable, say

RELADIFF = ("reladiff[postgresql,mysql]==0.6.0", "psycopg2-binary==2.9.13", "mysql-connector-python==26.10.0")
# What it compares beside the key.
COLUMNS = ("l_orderkey", "l_quantity", "l_extendedprice", "l_shipdate", "l_comment")


@dataclass
class Verifier:
    program: Path
    folder: Path
    table: str
    runs: int = 0

    def stem(self) -> Path:
        self.runs += 1
        return self.folder / f"{self.runs}"

    def command(self, word: str, source: str, target: str, *words: str, code: int = 0) -> tuple[Measured, dict]:
        """A run of rowferry that must end with `code`."""
        stem = self.stem()
        command = [str(self.program), word, source, target, "--table", self.table, *words, "--output", "json"]
        measured, output = timed(command, {}, stem, code)
        return measured, json.loads(output.splitlines()[-1])

    def read(self, end: End) -> Measured:
        """One stream into nothing."""
        words = ("--workers", "1", "--state", f"{self.folder}/read.db", "--progress", "none")
        return self.command("copy", end.url("source"), "null:", *words)[0]

    def verify(self, source: str, target: str, *words: str, code: int = 0) -> tuple[Measured, dict]:
        return self.command("verify", source, target, *words, code=code)


def speed(verifier: Verifier, ends: dict[str, End], rounds: int, folder: Path) -> Iterator[Line]:
    pg, mariadb = ends["pg"], ends["mariadb"]
    urls = pg.url("source"), mariadb.url("source")
    reladiff = _reladiff(verifier, pg, mariadb, folder)
    equal, altered, others, peaks = [], [], [], []
    # Read once, so that nobody finds a table on the disk.
    verifier.read(pg), verifier.read(mariadb)
    for number in range(rounds):
        slower = max(verifier.read(end).seconds for end in (pg, mariadb))
        measured, report = verifier.verify(*urls)
        assert report["differences"] == 0, report
        peaks.append(measured.peak_kib / 1024)
        equal.append(measured.seconds / slower)
        mariadb.sql("bench_source", _add_to_one(verifier.table, 100))
        try:
            measured, report = verifier.verify(*urls, code=1)
        finally:
            mariadb.sql("bench_source", _add_to_one(verifier.table, -100))
        assert report["differences"] == 1, report
        altered.append(measured.seconds / slower)
        if reladiff:
            others.append(timed(reladiff, {}, verifier.stem())[0].seconds / slower)
        say(f"{number + 1} slower read {slower:.1f} s: equal {equal[-1]:.2f}, one altered {altered[-1]:.2f}")
    yield Line("PostgreSQL against MariaDB, 17 columns, equal: of the slower side's read", median(equal), "x", 1.4)
    yield Line("with one altered row, which is named", median(altered), "x", 1.5)
    yield Line("peak memory", max(peaks), "MiB", 200)
    if others:
        yield Line("reladiff, the key and five columns", median(others), "x")


def _add_to_one(table: str, number: int) -> str:
    return f"update {table} set l_linenumber = l_linenumber + {number} where id = 12345"


def _reladiff(verifier: Verifier, pg: End, mariadb: End, folder: Path) -> list[str] | None:
    try:
        home = peers.venv(folder, "reladiff", RELADIFF)
    except Unavailable as reason:
        say(f"skipped: reladiff ({reason})")
        return None
    urls = (f"postgresql://bench@127.0.0.1:{pg.port}/bench_source",
            f"mysql://bench:bench@127.0.0.1:{mariadb.port}/bench_source")
    ends = [word for url in urls for word in (url, verifier.table)]
    columns = [word for column in COLUMNS for word in ("-c", column)]
    return [str(home / "bin/reladiff"), *ends, "-k", "id", *columns, "--stats"]
