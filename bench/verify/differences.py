"""Three hundred differences planted at random in a copy, found and repaired, in nine directions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

from ends import End
from lines import Line
from server import run, say
from speed import Verifier
from tables import LINEITEM

# Rows altered, rows removed, rows added.
EACH = 100
# What alters a value, whatever it is.
ALTERED = ("l_linenumber = l_linenumber + 100", "l_comment = 'altered'", "l_quantity = l_quantity + 0.01",
           "l_shipdate = '1970-01-01'")


def differences(verifier: Verifier, ends: dict[str, End], rows: int) -> Iterator[Line]:
    # The same ones in every direction, other ones for another number of rows.
    dice = Random(rows)
    for source, target in product(ends.values(), repeat=2):
        name = f"{source.kind}-{target.kind}"
        urls = source.url("source"), target.url("target")
        target.clear_target()
        verifier.command("copy", *urls, "--state", f"{verifier.folder}/{name}.db", "--progress", "none")
        ids = dice.sample(range(1, rows + 1), 3 * EACH)
        _in_target(target, _planted(ids))
        measured, report = verifier.verify(*urls, code=1)
        found = report["tables"][0]
        counts = [found[kind] for kind in ("rows_mismatched", "missing", "extra")]
        assert counts == [EACH] * 3, f"{name}: {counts}"
        undo = verifier.stem().with_suffix(".sql")
        mended, report = verifier.verify(*urls, "--repair", "apply", "--undo", str(undo))
        assert report["tables"][0]["repaired"] == 3 * EACH, f"{name}: {report}"
        _, report = verifier.verify(*urls)
        assert report["differences"] == 0, f"{name}: {report}"
        say(f"{name}: verify {measured.seconds:.1f} s, repair {mended.seconds:.1f} s")
        yield Line(f"{name}: differences found and repaired of {3 * EACH}", sum(counts), "rows", 3 * EACH, True)


def _planted(ids: list[int]) -> list[str]:
    """Statements that alter, remove and add; added rows stand far apart on both sides of the others."""
    def listed(chosen: list[int]) -> str:
        return ", ".join(map(str, chosen))

    altered, removed, added = ids[:EACH], ids[EACH:2 * EACH], ids[2 * EACH:]
    columns = ", ".join(column.name for column in LINEITEM.columns if column.name != "id")
    share = len(ALTERED)
    return [
        *(f"update lineitem set {what} where id in ({listed(altered[place::share])})"
          for place, what in enumerate(ALTERED)),
        f"delete from lineitem where id in ({listed(removed)})",
        f"insert into lineitem (id, {columns}) select case when id % 2 = 0 then -id else 2147483647 + id end, {columns} "
        f"from lineitem where id in ({listed(added)})",
    ]


def _in_target(target: End, statements: list[str]) -> None:
    if target.kind == "sqlite":
        run(["sqlite3", target.files["target"], "; ".join(statements)])
    else:
        target.sql("bench_target", *statements)
