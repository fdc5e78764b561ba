"""What was measured on: without it no second means anything."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path


def describe() -> dict[str, object]:
    return {"cpu": _field("/proc/cpuinfo", "model name") or platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / (1 << 20)),
            "kernel": platform.release(),
            "load_before": os.getloadavg()[0]}


def short_name(machine: dict[str, object]) -> str:
    """A name for files: the processor and its cores, nothing that names the host."""
    cpu = re.sub(r"\((?:r|tm)\)|processor|cpu|@.*", " ", str(machine["cpu"]).lower())
    return "-".join(re.findall(r"[a-z0-9]+", f"{cpu} {machine['cores']} cores"))


def checkout(folder: Path) -> str:
    """The commit that lies in the folder, as far as git knows; the binary need not be of it."""
    git = subprocess.run(["git", "-C", folder, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return git.stdout.strip() or "no checkout"


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return ""
