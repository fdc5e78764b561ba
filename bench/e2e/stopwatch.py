"""Runs a command and writes down what it took: `stopwatch.py REPORT COMMAND…`.

A program of its own, because the kernel counts the memory of whoever starts a process as the first memory of that
process. This one is small (about 10 MiB, the least peak that can be measured); the program around it is not.
"""

import json
import os
import signal
import sys
import time


def main() -> int:
    report, *command = sys.argv[1:]
    begun = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    # The usage of a child holds that of all its children that were waited for.
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - begun
    with open(report, "w", encoding="utf-8") as file:
        json.dump({"seconds": round(seconds, 3), "user": round(usage.ru_utime, 3),
                   "system": round(usage.ru_stime, 3), "peak_kib": usage.ru_maxrss}, file)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        print(f"ended by {signal.Signals(-code).name}", file=sys.stderr)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
