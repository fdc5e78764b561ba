"""Measures `rowferry verify` and `repair` beside plain reads of the same tables and beside reladiff.

Needs a release build and the servers of bench/e2e; docs/benchmarks.md explains.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path

# Servers, tables and the stopwatch are those of the copies.
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "e2e"))

import machine  # noqa: E402
from differences import differences  # noqa: E402
from ends import ENDS  # noqa: E402
from lines import Line, markdown, write  # noqa: E402
from pushdown import pushdown  # noqa: E402
from server import Failed, Unavailable, say  # noqa: E402
from speed import Verifier, speed  # noqa: E402
from tables import LINEITEM, text_of  # noqa: E402
from workplace import PROJECT, program, run_alone, tpchgen  # noqa: E402

KINDS = ("pg", "mariadb", "sqlite")
TRIALS = ("speed", "pushdown", "differences")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 bench/verify", description=__doc__)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(TRIALS), metavar="LIST",
                        help=f"trials, with commas: {', '.join(TRIALS)} (default: all)")
    parser.add_argument("--scale", default="1", metavar="N", help="TPC-H scale factor (default 1: 6,001,215 rows)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds of speed and pushdown (default 3)")
    parser.add_argument("--results", type=Path, default=PROJECT / "bench/results", metavar="FOLDER",
                        help="where the results go (default: bench/results)")
    given = parser.parse_args()
    if unknown := set(given.only).difference(TRIALS):
        parser.error(f"unknown: {', '.join(unknown)} (there are {', '.join(TRIALS)})")
    return given


def main() -> int:
    given = arguments()
    return run_alone(lambda data: run(given, data))


def run(given: argparse.Namespace, data: Path) -> int:
    now = datetime.now(timezone.utc)
    folder = data / "runs" / f"verify-{now.strftime('%Y%m%dT%H%M%SZ')}"
    folder.mkdir(parents=True)
    ends = {kind: ENDS[kind](data, given.scale) for kind in KINDS}
    lines: list[Line] = []
    described, code = machine.describe(), 0
    try:
        text = text_of(LINEITEM, given.scale, data, lambda: tpchgen(data))
        for end in ends.values():
            end.start()
            end.load(text)
        verifier = Verifier(program(), folder, LINEITEM.name)
        trials = {"speed": lambda: speed(verifier, ends, given.repeat, data / "peers"),
                  "pushdown": lambda: pushdown(verifier, ends, given.repeat),
                  "differences": lambda: differences(verifier, ends, text.rows)}
        for name in given.only:
            for line in trials[name]():
                lines.append(line)
                say(f"{line.what}: {line.measured:.4g} {line.unit} {line.verdict}")
    except (Failed, Unavailable, AssertionError) as error:
        say(f"error: {error}")
        code = 1
    finally:
        for end in ends.values():
            end.stop()
        if lines:
            what = "-".join(["verify", *(given.only if set(given.only) != set(TRIALS) else [])])
            stem = write(given.results / f"{now:%Y-%m-%d}-{what}-{machine.short_name(described)}", lines, {
                "started_at": now.isoformat(timespec="seconds"), "machine": described, "scale": given.scale,
                "checkout": machine.checkout(PROJECT)})
            say(f"\n{markdown(lines)}\nresults: {stem}.json")
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
