"""What it saves to let two servers of one engine hash rows, on loopback, where rows travel for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from ends import End
from lines import Line
from server import say
from speed import Verifier


def pushdown(verifier: Verifier, ends: dict[str, End], rounds: int) -> Iterator[Line]:
    for end in (ends["pg"], ends["mariadb"]):
        urls = end.url("source"), end.url("target")
        end.clear_target()
        verifier.command("copy", *urls, "--state", f"{verifier.folder}/{end.kind}-pushdown.db", "--progress", "none")
        ratios, cpu = [], []
        for number in range(rounds):
            read, _ = verifier.verify(*urls)
            hashed, report = verifier.verify(*urls, "--pushdown")
            used = report["tables"][0]["pushdown"]
            assert used["asked"] == used["equal"] > 0, used
            ratios.append(hashed.seconds / read.seconds)
            cpu.append((hashed.user + hashed.system) / (read.user + read.system))
            say(f"{end.kind} {number + 1}: read {read.seconds:.1f} s, hashed {hashed.seconds:.1f} s")
        yield Line(f"{end.kind}-{end.kind}: equal, hashed by the servers, of the time by reading", median(ratios), "x")
        yield Line(f"{end.kind}-{end.kind}: the same, CPU of rowferry", median(cpu), "x")
