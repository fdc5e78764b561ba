"""Where a benchmark finds its program, and where it keeps data, servers and peers."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import peers
from server import Failed, Unavailable, say

PROJECT = Path(__file__).resolve().parents[2]


def program() -> Path:
    return Path(os.environ.get("ROWFERRY_BIN", PROJECT / "target/release/rowferry")).absolute()


@contextmanager
def alone() -> Iterator[Path]:
    """The data folder, for one run at a time; raises `Unavailable` while there is another one."""
    data = Path(os.environ.get("ROWFERRY_BENCH_DATA", PROJECT / "bench/data")).absolute()
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"another run measures in {data}; two at once would measure each other") from None
        yield data


def run_alone(run: Callable[[Path], int]) -> int:
    """The exit code of `run`, which gets the data folder; a benchmark's whole `main` but its arguments."""
    # So that servers are stopped and what was measured is written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with alone() as data:
            return run(data)
    except (Failed, Unavailable) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def tpchgen(data: Path) -> Path:
    """The generator of lineitem."""
    return peers.venv(data / "peers", "tpchgen", ("tpchgen-cli==4.0.0",)) / "bin/tpchgen-cli"
