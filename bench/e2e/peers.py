"""Other tools on the same data, each as its own manual recommends for speed.

One that cannot be had is reported as skipped with the reason, never left out in silence.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from contestant import Case
from directions import Direction
from ends import End
from server import Failed, Unavailable, run, say
from tables import LINEITEM

PROGRAMS = Path(__file__).with_name("programs")


class Peer:
    """Measured with lineitem only; few peers make a key, so a missing one is noted and not held against them."""

    name: str
    directions: tuple[str, ...]
    must_have_key = False

    @property
    def tool(self) -> str:
        return self.name.split()[0]

    def runs(self, case: Case) -> bool:
        return case.direction.name in self.directions and case.table is LINEITEM

    def install(self, folder: Path) -> None:
        """Makes the tool ready to run, or raises `Unavailable`."""
        raise NotImplementedError

    def version(self) -> str:
        raise NotImplementedError

    def prepare(self, case: Case) -> None:
        """Peers make their own table."""

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    def rows_read(self, output: str) -> int | None:
        return None


class PypiPeer(Peer):
    """A tool of PyPI, in a virtual environment of its own inside the data folder."""

    packages: tuple[str, ...]

    def install(self, folder: Path) -> None:
        self.venv = venv(folder, self.tool, self.packages)

    def version(self) -> str:
        return self.packages[0].replace("==", " ")

    def python(self, program: str, *arguments: str) -> list[str]:
        return [str(self.venv / "bin/python"), str(PROGRAMS / program), *arguments]


class AptPeer(Peer):
    """A tool of Debian."""

    def install(self, folder: Path) -> None:
        if shutil.which(self.name):
            return
        if os.getuid() != 0 or not shutil.which("apt-get"):
            raise Unavailable(f"not installed: apt-get install {self.name}")
        say(f"installing {self.name}")
        try:
            run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", self.name],
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        except Failed as error:
            raise Unavailable(str(error)) from error

    def version(self) -> str:
        return f"{self.name} {run(['dpkg-query', '-W', '-f', '${Version}', self.name])}"


def venv(folder: Path, name: str, packages: tuple[str, ...]) -> Path:
    """A virtual environment with exactly these packages, made once and kept."""
    home, mark = folder / name, folder / name / "packages"
    if mark.exists() and mark.read_text().split() == list(packages):
        return home
    say(f"installing {' '.join(packages)}")
    try:
        run([sys.executable, "-m", "venv", "--clear", home])
        run([home / "bin/pip", "-q", "--disable-pip-version-check", "install", *packages])
    except Failed as error:
        raise Unavailable(str(error)) from error
    mark.write_text("\n".join(packages))
    return home


class Sling(PypiPeer):
    """Into MariaDB by INSERT, its default: with `allow_bulk_import` it loses the first row and stops with an error."""

    name = "sling"
    directions = ("pg-pg", "pg-mariadb", "mariadb-pg")
    packages = ("sling-linux-amd64==1.4.11",)

    def install(self, folder: Path) -> None:
        super().install(folder)
        # The package carries the program as a file of the module.
        found = [path for path in self.venv.glob("lib/*/site-packages/sling*/bin/sling*") if path.is_file()]
        if not found:
            raise Unavailable("the package sling-linux-amd64 holds no program")
        self.program = found[0]
        self.program.chmod(0o755)

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        def schema(end: End, role: str) -> str:
            return "public" if end.kind == "pg" else f"bench_{role}"

        def url(end: End, role: str) -> str:
            return end.url(role).replace("mariadb:", "mysql:")

        environment = {"SLING_HOME_DIR": str(self.venv / "home"), "SLING_DISABLE_TELEMETRY": "true",
                       "SRC": url(case.source, "source"), "TGT": url(case.target, "target")}
        return [str(self.program), "run",
                "--src-conn", "SRC", "--src-stream", f"{schema(case.source, 'source')}.{case.table.name}",
                "--tgt-conn", "TGT", "--tgt-object", f"{schema(case.target, 'target')}.{case.table.name}",
                "--mode", "full-refresh", "--primary-key", "id"], environment


class Adbc(PypiPeer):
    name = "adbc"
    directions = ("pg-pg",)
    packages = ("adbc-driver-postgresql==1.13.0", "pyarrow==26.0.1")

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        return self.python("adbc_copy.py", case.source.url("source"), case.target.url("target"),
                           case.table.name), {}


class Dlt(PypiPeer):
    name = "dlt"
    directions = ("pg-pg",)
    packages = ("dlt[postgres]==1.31.0", "sqlalchemy==2.1.9", "connectorx==0.4.6", "pyarrow==26.0.1",
                "adbc-driver-postgresql==1.13.0", "adbc-driver-manager==1.13.0")

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        source = case.source.url("source").replace("postgres:", "postgresql+psycopg2:")
        # It insists on a password, even where the server asks for none.
        target = case.target.url("target").replace("bench@", "bench:bench@")
        return self.python("dlt_copy.py", source, target, case.table.name,
                           f"{case.stem}.dlt"), {"RUNTIME__DLTHUB_TELEMETRY": "false"}


class ConnectorX(PypiPeer):
    """Reads only, so it is set beside a read."""

    directions = ("pg-null", "mariadb-null")
    packages = ("connectorx==0.4.6", "pyarrow==26.0.1")

    def __init__(self, partitions: int) -> None:
        self.partitions = str(partitions)
        self.name = f"connectorx {partitions}"

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        url = case.source.url("source").replace("postgres:", "postgresql:").replace("mariadb:", "mysql:")
        return self.python("connectorx_read.py", url, case.table.name, self.partitions), {}

    def rows_read(self, output: str) -> int | None:
        return int(output)


class DuckDb(PypiPeer):
    name = "duckdb"
    directions = ("pg-pg", "pg-mariadb", "mariadb-pg")
    packages = ("duckdb==1.5.5", "duckdb-extension-postgres-scanner==1.5.5", "duckdb-extension-mysql-scanner==1.5.5")

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        def attached(end: End, role: str) -> tuple[str, str]:
            if end.kind == "pg":
                return "postgres", end.url(role)
            return "mysql", f"host=127.0.0.1 port={end.port} user=bench password=bench database=bench_{role}"

        return self.python("duckdb_copy.py", *attached(case.source, "source"), *attached(case.target, "target"),
                           case.table.name), {}


class PgLoader(AptPeer):
    name = "pgloader"
    directions = ("mariadb-pg",)

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        file = Path(f"{case.stem}.load")
        source = case.source.url("source").replace("mariadb:", "mysql:")
        file.write_text(f"""load database from {source}
            into {case.target.url("target").replace("postgres:", "postgresql:")}
            including only table names matching '{case.table.name}'
            alter schema 'bench_source' rename to 'public';
        """)
        return ["pgloader", "--root-dir", f"{case.stem}.pgloader", str(file)], {}


class PgCopyDb(AptPeer):
    name = "pgcopydb"
    directions = ("pg-pg",)

    def command(self, case: Case) -> tuple[list[str], dict[str, str]]:
        filters, jobs = Path(f"{case.stem}.filters"), str(os.cpu_count())
        filters.write_text(f"[include-only-table]\npublic.{case.table.name}\n")
        return ["pgcopydb", "clone", "--source", case.source.url("source"), "--target", case.target.url("target"),
                "--dir", f"{case.stem}.pgcopydb", "--filters", str(filters),
                "--table-jobs", jobs, "--index-jobs", jobs,
                # So that its jobs share the one table; lineitem at scale 1 is five times that.
                "--split-tables-larger-than", "256 MB"], {}


PEERS = (Sling(), Adbc(), Dlt(), ConnectorX(1), ConnectorX(2), DuckDb(), PgLoader(), PgCopyDb())
# ConnectorX is two contestants and one tool.
NAMES = list(dict.fromkeys(peer.tool for peer in PEERS))


def ready(wanted: list[str], directions: list[Direction], folder: Path) -> tuple[list[Peer], dict[str, str]]:
    """The wanted peers of these directions that can run, and why the others cannot."""
    able, skipped = [], {}
    for peer in PEERS:
        if peer.tool not in wanted or all(direction.name not in peer.directions for direction in directions):
            continue
        try:
            peer.install(folder)
            able.append(peer)
        except Unavailable as reason:
            skipped[peer.name] = str(reason)
    return able, skipped
