"""One run of one contestant: empty target, stopwatch, comparison."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from compare import Verdict, compare
from contestant import Case, Contestant
from server import Failed, last_words

# The slowest peer took five minutes for lineitem at scale 1; a run of an hour is stuck.
RUN_SECONDS_MAX = 3600

STOPWATCH = Path(__file__).with_name("stopwatch.py")


@dataclass(frozen=True)
class Measured:
    seconds: float
    user: float
    system: float
    peak_kib: int
    # Processor time of the servers meanwhile, in seconds; None where there is none, or it cannot be seen.
    servers: float | None = None


def run_once(contestant: Contestant, case: Case, check: bool) -> tuple[Measured, Verdict]:
    """Measures one copy; a contestant that fails raises with its last words."""
    if case.target:
        case.target.clear_target()
    contestant.prepare(case)
    by_inserts = case.direction.inserts and contestant.name != "pipe"
    if by_inserts:
        case.target.allow_local_infile(False)
    before = _servers_cpu(case)
    try:
        measured, output = timed(*contestant.command(case), case.stem)
    finally:
        if by_inserts:
            case.target.allow_local_infile(True)
    if before is not None:
        measured = replace(measured, servers=round(_servers_cpu(case) - before, 2))
    return measured, compare(contestant, case, output) if check else Verdict("not checked")


def _servers_cpu(case: Case) -> float | None:
    servers = {end.server for end in (case.source, case.target) if end and end.server}
    seconds = [server.cpu_seconds() for server in servers]
    return None if not seconds or None in seconds else sum(seconds)


def timed(command: list[str], environment: dict[str, str], stem: Path, expected: int = 0) -> tuple[Measured, str]:
    """What a command took and printed; any other exit code than the expected one raises."""
    report, out, err = (Path(f"{stem}.{ending}") for ending in ("time", "out", "err"))
    # -I and -S keep the stopwatch small: no site packages.
    words = [sys.executable, "-I", "-S", STOPWATCH, report, *command]
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                                   env=os.environ | environment, start_new_session=True)
        try:
            code = process.wait(RUN_SECONDS_MAX)
        except BaseException as stopped:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(stopped, subprocess.TimeoutExpired):
                raise Failed(f"not done after {RUN_SECONDS_MAX} s") from stopped
            raise
    output = out.read_text(errors="replace")
    if code != expected:
        words = last_words(err.read_text(errors="replace") or output)
        raise Failed(f"exit code {code}: {words}")
    return Measured(**json.loads(report.read_text())), output
