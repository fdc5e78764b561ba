"""A database server of our own on loopback: started, waited for, stopped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

# InnoDB may have to read back the log of a run that was killed; guessed with room.
START_SECONDS_MAX = 120
# A clean stop writes gigabytes of dirty pages; guessed with room.
STOP_SECONDS_MAX = 120

# Ticks of the clock that processes are billed in.
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Unavailable(Exception):
    """Something that cannot be had on this machine, and why."""


class Failed(Exception):
    """A command that failed, and its last words."""


def say(message: str) -> None:
    print(message, flush=True)


def run(command: list[str | Path], **options: object) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failed(f"{Path(command[0]).name} failed: {last_words(done.stderr or done.stdout)}")
    return done.stdout.strip()


def last_words(output: str, lines: int = 6) -> str:
    words = [line.strip() for line in COLOURS.sub("", output).splitlines() if line.strip()]
    return " | ".join(words[-lines:])[:500] or "it said nothing"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def initialized(data: Path, marker: str, initialize: Callable[[Path], object]) -> Path:
    """The data folder of a server; made under another name first, so that half of one is never taken for it."""
    if not (data / marker).exists():
        part = data.with_name(f"{data.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        initialize(part)
        part.rename(data)
    return data


class Server:
    """A process in a session of its own, so that Ctrl-C stops the benchmark and the benchmark stops it."""

    def __init__(self, name: str, command: list[str | Path], log: Path, stop_signal: signal.Signals,
                 user: str | None = None) -> None:
        self.name, self.log, self.stop_signal = name, log, stop_signal
        lent = {"user": user, "group": user, "extra_groups": []} if user else {}
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, start_new_session=True, **lent)

    def wait_until(self, answers: Callable[[], object]) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                answers()
                return
            except Failed as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"{self.name} did not start ({error}); see {self.log}") from error
                time.sleep(0.3)

    def cpu_seconds(self) -> float | None:
        """Processor time of the server so far, with its processes that live and those that have ended; None where the
        system does not say."""
        if not Path("/proc/self/stat").exists():
            return None
        ticks = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                # Behind the name, which may hold anything: state, parent, …, user, system, and both of ended children.
                facts = (process / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(process.name) == self.process.pid:
                ticks += sum(map(int, facts[11:15]))
            elif int(facts[1]) == self.process.pid:
                ticks += sum(map(int, facts[11:13]))
        return ticks / TICKS_PER_SECOND

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
