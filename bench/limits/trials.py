"""What is measured beside the speed of a copy; each trial yields lines of a table."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from lines import Line
from measure import Measured, timed
from postgres import Postgres
from server import Unavailable, run, say
from wire import Wire


class Trials:
    """One server is both ends: what is compared meets it under the same conditions."""

    def __init__(self, program: Path, server: Postgres, folder: Path, rows: int, rounds: int) -> None:
        self.program, self.server, self.folder, self.rows, self.rounds = program, server, folder, rows, rounds
        self.runs = 0

    def copy(self, source: str, target: str, *words: str) -> tuple[Measured, dict]:
        self.runs += 1
        stem = self.folder / f"{self.runs}"
        command = [str(self.program), "copy", source, target, *words, "--state", f"{stem}.state.db", "--output", "json",
                   "--progress", "none"]
        measured, output = timed(command, {}, stem)
        return measured, json.loads(output.splitlines()[-1])

    def fresh_copy(self, source: str, *words: str) -> Measured:
        self.server.clear_target()
        return self.copy(source, self.server.url("target"), *words)[0]

    @staticmethod
    def generated(rows: int) -> str:
        return f"generate:lineitem?rows={rows}"

    def lineitem(self) -> None:
        """The table of the source that the trials read."""
        table = f"lineitem_{self.rows}"
        if self.server.sql("bench_source", f"select to_regclass('{table}') is null") == "t":
            say(f"making {table}")
            self.copy(self.generated(self.rows), self.server.url("source"), "--table", f"lineitem={table}")
            self.server.sql("bench_source", f"vacuum (freeze, analyze) {table}")
        self.table = table

    def version(self) -> Iterator[Line]:
        """Starting at all."""
        def once() -> float:
            begun = time.perf_counter()
            run([self.program, "--version"])
            return time.perf_counter() - begun
        yield Line("`rowferry --version`", 1000 * median(once() for _ in range(21)), "ms", 10)

    def empty_tables(self) -> Iterator[Line]:
        """A thousand tables without a row: what each costs."""
        self.server.sql("postgres", "drop database if exists bench_empty", "create database bench_empty")
        names = [f"empty_{number:04}" for number in range(1000)]
        script = ";".join(f"create table {name} (id bigint primary key, word text, price numeric(12,2), at timestamptz)"
                          for name in names)
        self.server.sql("bench_empty", script)
        self.server.clear_target()
        source = self.server.url("source").replace("bench_source", "bench_empty")
        measured, report = self.copy(source, self.server.url("target"), "--all")
        assert report["totals"]["tables"] == 1000, report["totals"]
        self.server.sql("postgres", "drop database bench_empty")
        yield Line("1,000 empty tables", measured.seconds, "s", 20)

    def one_row(self) -> Iterator[Line]:
        """An incremental run that finds one new row, as a whole command, connecting and all."""
        self.server.clear_target()
        self.server.sql("bench_source", "drop table if exists news",
                        "create table news (id bigint primary key, word text)",
                        "insert into news select number, 'old' from generate_series(1, 10000) number")
        words = ("--table", "news", "--mode", "incremental", "--key", "id")
        ends = self.server.url("source"), self.server.url("target")
        self.copy(*ends, *words)
        state = self.folder / "news.state.db"
        seconds = []
        for number in range(10_001, 10_012):
            self.server.sql("bench_source", f"insert into news values ({number}, 'new')")
            command = [str(self.program), "copy", *ends, *words, "--state", str(state), "--progress", "none"]
            begun = time.perf_counter()
            run(command)
            seconds.append(time.perf_counter() - begun)
        found = self.server.sql("bench_target", "select count(*) from news")
        assert found == str(number), f"{found} rows"
        yield Line("incremental run of one row, connecting included", 1000 * median(seconds), "ms", 150)

    def checkpoints(self) -> Iterator[Line]:
        """What receipts cost: chunks of 100,000 rows against one chunk, client CPU pair by pair."""
        self.lineitem()
        source = self.server.url("source")
        one = ("--chunk-rows", str(10 * self.rows), "--chunk-bytes", "1000GiB", "--workers", "1")
        many = ("--chunk-rows", "100000", "--chunk-bytes", "1000GiB", "--workers", "1")
        ratios = []
        for number in range(max(5, self.rounds)):
            pair = {}
            for name, words in random.sample([("one", one), ("many", many)], 2):
                measured = self.fresh_copy(source, "--table", self.table, *words)
                pair[name] = measured.user + measured.system
            ratios.append(pair["many"] / pair["one"])
        yield Line("client CPU of chunks of 100,000 rows over that of one chunk", median(ratios), "x", 1.02)

    def growth(self) -> Iterator[Line]:
        """Rows per second and memory must not depend on the number of rows."""
        sizes = [self.rows // 3, 2 * self.rows, 10 * self.rows]
        speeds = {}
        for rows in sizes:
            measured = self.fresh_copy(self.generated(rows), "--table", "lineitem")
            speeds[rows] = rows / measured.seconds
            yield Line(f"generate: into PostgreSQL, {rows:,} rows, peak", measured.peak_kib / 1024, "MiB", 200)
            yield Line(f"generate: into PostgreSQL, {rows:,} rows", speeds[rows], "rows/s")
        yield Line("slowest of these over the fastest", min(speeds.values()) / max(speeds.values()), "x", 0.9, True)
        for rows in (2 * self.rows, 20 * self.rows):
            measured, _ = self.copy(self.generated(rows), "null:", "--table", "lineitem")
            yield Line(f"generate: into null:, {rows:,} rows, peak", measured.peak_kib / 1024, "MiB", 200)

    def round_trip(self) -> Iterator[Line]:
        """20 ms of round trip at both ends, against the same wire without them."""
        self.lineitem()
        seconds: dict[float, list[float]] = {0.0: [], 0.020: []}
        for _ in range(self.rounds):
            for delay in seconds:
                wire = Wire(self.server.port, delay)
                source = self.server.url("source").replace(f":{self.server.port}/", f":{wire.port}/")
                target = self.server.url("target").replace(f":{self.server.port}/", f":{wire.port}/")
                self.server.clear_target()
                measured, _ = self.copy(source, target, "--table", self.table)
                seconds[delay].append(measured.seconds)
                wire.close()
        yield Line(f"rows per second with 20 ms of round trip, over none ({self.rows:,} rows)",
                   median(seconds[0.0]) / median(seconds[0.020]), "x", 0.8, True)

    def foreground(self) -> Iterator[Line]:
        """pgbench on the source, alone and beside a copy that reads with a rate."""
        pgbench = shutil.which("pgbench") or next(iter(Path("/usr/lib/postgresql").glob("*/bin/pgbench")), None)
        if not pgbench:
            raise Unavailable("no pgbench")
        self.lineitem()
        end = ["-h", "127.0.0.1", "-p", str(self.server.port), "-U", "bench", "bench_source"]
        run([pgbench, "-i", "-q", "-s", "10", *end])

        def p99(seconds: int) -> float:
            log = self.folder / "pgbench"
            for old in self.folder.glob("pgbench.*"):
                old.unlink()
            # A rate that the machine keeps up with alone, so that what is measured is the wait of one transaction.
            run([pgbench, "-n", "-c", "2", "-j", "1", "-R", "200", "-T", str(seconds), "-l",
                 "--log-prefix", str(log), *end])
            waits = sorted(int(line.split()[2]) for file in self.folder.glob("pgbench.*")
                           for line in file.read_text().splitlines())
            return waits[len(waits) * 99 // 100] / 1000

        alone, beside, unpaced = [], [], []
        for _ in range(self.rounds):
            alone.append(p99(10))
            for waits, words in ((beside, ("--max-rate", "20MiB/s")), (unpaced, ())):
                reading = subprocess.Popen(
                    [str(self.program), "copy", self.server.url("source"), "null:", "--table", self.table, *words,
                     "--state", str(self.folder / f"foreground.{len(waits)}.db"), "--progress", "none"],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                waits.append(p99(10))
                reading.terminate()
                reading.wait()
        self.server.sql("bench_source", "drop table pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers")
        yield Line("p99 of pgbench alone, 200 transactions a second", median(alone), "ms")
        yield Line("p99 beside a copy with `max_rate: 20MiB/s`, over alone", median(beside) / median(alone), "x", 1.5)
        yield Line("p99 beside a copy without a rate, over alone", median(unpaced) / median(alone), "x")

    ALL = ("version", "empty_tables", "one_row", "checkpoints", "growth", "round_trip", "foreground")
