"""Measures `rowferry copy` beside the raw pipe and other tools: private servers on loopback, everything in turn.

Seconds do not travel between machines; the ratios of one run do. docs/benchmarks.md explains.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import machine
import peers
from bars import BATCHES, DEFAULT, READ_BY_CONNECTORX
from contestant import Case, Contestant
from directions import DIRECTIONS, Direction
from ends import ENDS, End
from measure import run_once
from pipe import Pipe
from report import Results, Round
from rowferry import ReadByConnectorX, Rowferry
from server import Failed, Unavailable, say
from tables import TABLES, text_of
from workplace import PROJECT, program, run_alone, tpchgen


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 bench/e2e", description=__doc__, epilog="""environment:
  ROWFERRY_BIN         release binary (default: target/release/rowferry)
  ROWFERRY_CONNECTORX  helper program of connectorx+ URLs (scripts/connectorx build)
  ROWFERRY_BENCH_DATA  cache of data, servers and peers (default: bench/data; about 15 GB at scale 1)
""", formatter_class=argparse.RawDescriptionHelpFormatter)

    def names(text: str) -> list[str]:
        return text.split(",")

    parser.add_argument("--only", type=names, default=list(DIRECTIONS), metavar="LIST",
                        help=f"directions, with commas: {', '.join(DIRECTIONS)} (default: all)")
    parser.add_argument("--tables", type=names, default=list(TABLES), metavar="LIST",
                        help=f"tables, with commas: {', '.join(TABLES)} (default: all; those after the first only "
                        f"in {', '.join(d.name for d in DIRECTIONS.values() if d.shapes)})")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds (default 3)")
    parser.add_argument("--scale", default="1", metavar="N",
                        help="TPC-H scale factor, and the other tables' rows as well (default 1: 6,001,215 rows)")
    parser.add_argument("--pipes-only", action="store_true", help="measure the pipes alone")
    parser.add_argument("--no-pipes", action="store_true", help="leave the pipes out (no ratio then)")
    parser.add_argument("--peers", type=names, default=peers.NAMES, metavar="LIST",
                        help=f"other tools, with commas: {', '.join(peers.NAMES)}, or none (default: all)")
    parser.add_argument("--before", type=Path, metavar="FILE",
                        help="measure another rowferry in turn, and compare CPU seconds pair by pair")
    parser.add_argument("--args", type=shlex.split, default=[], metavar="WORDS",
                        help="further arguments of rowferry, as one word")
    parser.add_argument("--no-check", action="store_true", help="do not compare the copies with the source")
    parser.add_argument("--keep", action="store_true", help="leave the servers running and say where")
    parser.add_argument("--results", type=Path, default=PROJECT / "bench/results", metavar="FOLDER",
                        help="where the results go (default: bench/results)")
    given = parser.parse_args()
    for wanted, known in ((given.only, DIRECTIONS), (given.tables, TABLES), (given.peers, (*peers.NAMES, "none"))):
        if unknown := set(wanted).difference(known):
            parser.error(f"unknown: {', '.join(unknown)} (there are {', '.join(known)})")
    return given


def contestants(given: argparse.Namespace, able: list[peers.Peer], results: Results) -> list[Contestant]:
    found: list[Contestant] = [] if given.no_pipes else [Pipe()]
    if given.pipes_only:
        return found
    programs = [(program(), DEFAULT, BATCHES)]
    if given.before:
        programs.append((given.before.absolute(), "before", "before through batches"))
    for file, default, batches in programs:
        if not os.access(file, os.X_OK):
            raise Unavailable(f"no {file}: cargo build --release -p rowferry-cli, or set ROWFERRY_BIN")
        found += [Rowferry(batches, file, given.args, batches=True), Rowferry(default, file, given.args)]
    if "connectorx" in given.peers:
        helper = Path(os.environ.get("ROWFERRY_CONNECTORX", "")).absolute()
        if helper.is_file():
            found.append(ReadByConnectorX(program(), helper, given.args))
        else:
            results.skipped[READ_BY_CONNECTORX] = "no helper program: scripts/connectorx build, ROWFERRY_CONNECTORX"
    return found + able


def start(directions: list[Direction], data: Path, scale: str, results: Results,
          ends: dict[str, End]) -> list[Direction]:
    """Starts what the directions need into `ends`; returns the directions whose ends can be had."""
    for kind in dict.fromkeys(kind for d in directions for kind in (d.source, d.target) if kind != "null"):
        # Known before it starts, so that it is stopped whatever happens.
        end = ends[kind] = ENDS[kind](data, scale)
        try:
            end.start()
            results.versions[kind] = end.version()
        except Unavailable as reason:
            for direction in directions:
                if kind in (direction.source, direction.target):
                    results.skipped[direction.name] = str(reason)
    return [direction for direction in directions if direction.name not in results.skipped]


def cases(given: argparse.Namespace, directions: list[Direction], data: Path, ends: dict[str, End],
          results: Results, folder: Path) -> list[Case]:
    """Every copy to measure, its source loaded."""
    found = []
    for name in given.tables:
        wanted = [direction for direction in directions if name == "lineitem" or direction.shapes]
        if not wanted:
            continue
        say(f"preparing {name} at scale {given.scale}")
        text = text_of(TABLES[name], given.scale, data, lambda: tpchgen(data))
        results.tables[name] = {"rows": text.rows, "bytes": text.bytes, "md5": text.md5}
        for kind in dict.fromkeys(direction.source for direction in wanted):
            ends[kind].load(text)
        found += [Case(direction, ends[direction.source], ends.get(direction.target), text,
                       folder / f"{direction.name}.{name}") for direction in wanted]
    return found


def warm(all_cases: list[Case]) -> None:
    """Reads every source once: whoever came first would else read it from the disk."""
    for source, table in {(case.source.kind, case.table.name): (case.source, case.table) for case in all_cases}.values():
        subprocess.run(source.reader(table, ""), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True,
                       env=os.environ | source.client_environment)


def measure(given: argparse.Namespace, all_contestants: list[Contestant], all_cases: list[Case],
            results: Results) -> None:
    """Every second round the other way round: who goes first finds another machine than who follows."""
    for round in range(1, given.repeat + 1):
        for case in all_cases:
            running = [contestant for contestant in all_contestants if contestant.runs(case)]
            for contestant in running if round % 2 else reversed(running):
                what = f"{case.direction.name} {case.table.name} {contestant.name}"
                if what in results.failed:
                    continue
                stem = Path(f"{case.stem}.{contestant.name.replace(' ', '-')}.{round}")
                own = Case(case.direction, case.source, case.target, case.text, stem)
                try:
                    measured, verdict = run_once(contestant, own, not given.no_check)
                except Failed as error:
                    results.failed[what] = str(error)
                    say(f"{round} {what}: FAILED: {error}")
                    continue
                finally:
                    for left in (Path(f"{stem}.dlt"), Path(f"{stem}.pgcopydb"), Path(f"{stem}.pgloader")):
                        shutil.rmtree(left, ignore_errors=True)
                results.rounds.append(Round(round, case.direction.name, case.table.name, contestant.name,
                                            measured, verdict))
                say(f"{round} {what}: {measured.seconds:.2f} s, {measured.user + measured.system:.2f} s CPU, "
                    f"{measured.peak_kib / 1024:.0f} MiB, equal: {verdict}")


def run(given: argparse.Namespace, data: Path) -> Results:
    now = datetime.now(timezone.utc)
    results = Results(now.isoformat(timespec="seconds"), shlex.join(["python3", "bench/e2e", *sys.argv[1:]]),
                      given.scale, machine.describe(), {"checkout": f"Checkout {machine.checkout(PROJECT)}"})
    folder = data / "runs" / now.strftime("%Y%m%dT%H%M%SZ")
    folder.mkdir(parents=True)
    directions = [DIRECTIONS[name] for name in given.only]
    wanted = [] if given.pipes_only else given.peers
    able, results.skipped = peers.ready(wanted, directions, data / "peers")
    running = contestants(given, able, results)
    results.versions |= {c.tool: c.version() for c in running if isinstance(c, (Rowferry, peers.Peer))}
    ends: dict[str, End] = {}
    try:
        directions = start(directions, data, given.scale, results, ends)
        for name, reason in results.skipped.items():
            say(f"skipped: {name} ({reason})")
        found = cases(given, directions, data, ends, results, folder)
        warm(found)
        measure(given, running, found, results)
    finally:
        for end in ends.values():
            if given.keep and end.server:
                say(f"{end.server.name} runs at {end.url('source')}, pid {end.server.process.pid}")
            else:
                end.stop()
        # What was measured before an interruption is a result too.
        if results.rounds:
            written = results.write(given.results, f"{results.started_at[:10]}-{machine.short_name(results.machine)}")
            say(f"\n{results.markdown()}\nresults: {written} and .json; output of each run: {folder}")
    return results


def told(results: Results) -> int:
    """Says which copies are wrong; the exit code."""
    wrong = results.wrong()
    for what in wrong:
        say(f"error: {what}")
    return 1 if wrong else 0


def main() -> int:
    given = arguments()
    return run_alone(lambda data: told(run(given, data)))


if __name__ == "__main__":
    sys.exit(main())
