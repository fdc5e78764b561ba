"""Measures what a run must keep to beside its speed: start, memory, growth, round trips, the source's other users.

Needs a release build and PostgreSQL; docs/benchmarks.md explains.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path

# Servers and the stopwatch are those of the copies.
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "e2e"))

import machine  # noqa: E402
from lines import Line, markdown, write  # noqa: E402
from postgres import Postgres  # noqa: E402
from server import Failed, Unavailable, say  # noqa: E402
from trials import Trials  # noqa: E402
from workplace import PROJECT, program, run_alone  # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 bench/limits", description=__doc__)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(Trials.ALL), metavar="LIST",
                        help=f"trials, with commas: {', '.join(Trials.ALL)} (default: all)")
    parser.add_argument("--rows", type=int, default=3_000_000, metavar="N",
                        help="rows of lineitem; growth goes to ten times and twenty times as many (default 3,000,000)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds where there are any (default 3)")
    parser.add_argument("--results", type=Path, default=PROJECT / "bench/results", metavar="FOLDER",
                        help="where the results go (default: bench/results)")
    given = parser.parse_args()
    if unknown := set(given.only).difference(Trials.ALL):
        parser.error(f"unknown: {', '.join(unknown)} (there are {', '.join(Trials.ALL)})")
    return given


def main() -> int:
    given = arguments()
    return run_alone(lambda data: run(given, data))


def run(given: argparse.Namespace, data: Path) -> int:
    now = datetime.now(timezone.utc)
    folder = data / "runs" / f"limits-{now.strftime('%Y%m%dT%H%M%SZ')}"
    folder.mkdir(parents=True)
    server = Postgres(data, "limits")
    lines: list[Line] = []
    failed: dict[str, str] = {}
    described = machine.describe()
    try:
        server.start()
        trials = Trials(program(), server, folder, given.rows, given.repeat)
        for name in given.only:
            say(name)
            try:
                for line in getattr(trials, name)():
                    lines.append(line)
                    say(f"  {line.what}: {line.measured:.4g} {line.unit} {line.verdict}")
            except Unavailable as reason:
                say(f"skipped: {name} ({reason})")
            except (Failed, AssertionError) as error:
                failed[name] = str(error)
                say(f"  FAILED: {error}")
    except (Failed, Unavailable) as error:
        say(f"error: {error}")
        return 1
    finally:
        server.stop()
        if lines:
            stem = write(given.results / f"{now:%Y-%m-%d}-limits-{machine.short_name(described)}", lines, {
                "started_at": now.isoformat(timespec="seconds"), "machine": described, "rows": given.rows,
                "checkout": machine.checkout(PROJECT), "failed": failed})
            say(f"\n{markdown(lines)}\nresults: {stem}.json")
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
