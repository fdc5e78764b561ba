"""Whether a copy is equal, by the checksum of its dump in key order through the database's own client."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass

from contestant import Case, Contestant
from server import Failed, last_words

# Large enough that Python's part of a dump is small beside the server's.
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Verdict:
    """`equal` is yes, no, not comparable or not checked; the note says why, or what is different all the same."""

    equal: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.equal} ({self.note})" if self.note else self.equal


def compare(contestant: Contestant, case: Case, output: str) -> Verdict:
    try:
        return _read(contestant, case, output) if case.target is None else _copied(contestant, case)
    except Failed as error:
        return Verdict("no", str(error))


def _read(contestant: Contestant, case: Case, output: str) -> Verdict:
    rows = contestant.rows_read(output)
    if rows not in (None, case.text.rows):
        return Verdict("no", f"{rows} rows instead of {case.text.rows}")
    return Verdict("not comparable", "nothing is written")


def _copied(contestant: Contestant, case: Case) -> Verdict:
    rows = case.target.rows(case.table)
    if rows != case.text.rows:
        return Verdict("no", f"{rows} rows instead of {case.text.rows}")
    notes = []
    if not case.target.has_primary_key(case.table):
        if contestant.must_have_key:
            return Verdict("no", "no primary key")
        notes.append("no key")
    if _checksum(case, cast=False) != case.text.md5:
        # Another type may hold the same values: they must be equal once cast to the type of the source.
        try:
            equal = _checksum(case, cast=True) == case.text.md5
        except Failed as error:
            return Verdict("not comparable", f"types that cannot be cast: {error}")
        if not equal:
            return Verdict("no", "other values")
        notes.append("other types, equal values")
    return Verdict("yes", ", ".join(notes))


def _checksum(case: Case, cast: bool) -> str:
    """MD5 of the dump, in the form of the text that the source was loaded from."""
    patterns = []
    if case.table.is_padded:
        patterns.append((re.compile(rb" +\t"), b"\t"))
    if case.table.has_nulls and case.direction.target in ("mariadb", "mysql"):
        patterns.append((re.compile(rb"(?m)(?<=\t)NULL(?=\t|$)"), rb"\\N"))
    md5 = hashlib.md5()
    environment = os.environ | case.target.client_environment
    with subprocess.Popen(case.target.dump(case.table, cast), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=environment) as client:
        rest = b""
        while block := client.stdout.read(BLOCK_BYTES):
            # Only whole lines: a pattern must not be cut in two.
            lines, newline, rest = (rest + block).rpartition(b"\n")
            block = lines + newline
            for pattern, replacement in patterns:
                block = pattern.sub(replacement, block)
            md5.update(block)
        complaint = client.stderr.read().decode(errors="replace")
    if client.returncode != 0:
        raise Failed(last_words(complaint))
    return md5.hexdigest()
