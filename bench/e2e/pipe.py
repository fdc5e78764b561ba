"""The raw pipe that a skilled person would type: the databases' own clients."""

from __future__ import annotations

import shlex

from contestant import Case


class Pipe:
    """Into a table whose primary key is in place."""

    name = "pipe"
    must_have_key = True

    def runs(self, case: Case) -> bool:
        return True

    def prepare(self, case: Case) -> None:
        if case.target:
            case.target.create(case.table)

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        read, write = _forms(case)
        words = shlex.join(case.source.reader(case.table, read))
        words += f" | {shlex.join(case.target.writer(case.table, write))}" if case.target else " > /dev/null"
        environment = case.source.client_environment | (case.target.client_environment if case.target else {})
        return ["bash", "-o", "pipefail", "-c", words], environment

    def rows_read(self, output: str) -> int | None:
        return None  # the rows went to /dev/null


def _forms(case: Case) -> tuple[str, str]:
    """What the two clients are told about the form of the rows."""
    source, target = case.direction.source, case.direction.target
    if "sqlite" in (source, target):
        return "(format csv)", "(format csv)"
    if source == "pg" and target in ("pg", "null"):
        return "(format binary)", "(format binary)"
    # In MariaDB's text NULL is the word itself, which LOAD DATA believes only where quotes are possible.
    if source != "pg" and target == "pg":
        return "", "(null 'NULL')"
    if source != "pg" and case.table.has_nulls:
        return "", r"fields terminated by '\t' optionally enclosed by '\"'"
    return "", ""
