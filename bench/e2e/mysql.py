"""MariaDB and MySQL 9 as ends: a private server, its client, its part of a pipe."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import time
from pathlib import Path

from server import Server, Unavailable, free_port, initialized, run, say
from tables import Column, Table, Text

# Sized up, but durable as shipped: binary log on, innodb_flush_log_at_trx_commit=1, doublewrite on.
SETTINGS = ("--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-buffer-pool-size=2G",
            "--local-infile=1", "--server-id=1",
            # MariaDB's own default is latin1, in which LOAD DATA would read the texts.
            "--character-set-server=utf8mb4")


class Mysql:
    """What the two have in common; `program` and `initialize` are where they differ."""

    kind: str
    label: str
    client_environment = {"MYSQL_PWD": "bench"}
    server: Server | None = None

    def __init__(self, data: Path, scale: str) -> None:
        self.folder = data / f"{self.kind}-{scale}"
        self.port = free_port()

    def program(self) -> list[str | Path]:
        raise NotImplementedError

    def initialize(self, data: Path) -> None:
        raise NotImplementedError

    def start(self) -> None:
        if not shutil.which("mariadb"):
            raise Unavailable("no client mariadb: apt-get install mariadb-client")
        program = self.program()
        self.folder.mkdir(parents=True, exist_ok=True)
        data = initialized(self.folder / "data", "mysql", self.initialize)
        init = self.folder / "init.sql"
        init.write_text("create user if not exists bench@'%' identified by 'bench';\n"
                        "grant all on *.* to bench@'%' with grant option;\n")
        self.server = Server(self.label, [
            *program, f"--datadir={data}", f"--log-bin={data / 'binlog'}", f"--port={self.port}",
            f"--socket={self.folder / 'socket'}", f"--pid-file={self.folder / 'pid'}", f"--init-file={init}",
            # Its own: a server that starts deletes the temporary tables of every other one in the same folder.
            f"--tmpdir={self.folder}", f"--secure-file-priv={self.folder}", *SETTINGS,
        ], Path(f"{self.folder}.log"), signal.SIGTERM)
        self.server.wait_until(lambda: self.sql("mysql", "select 1"))
        self.sql("mysql", "create database if not exists bench_source",
                 "alter database bench_source character set utf8mb4")

    def stop(self) -> None:
        if self.server:
            self.server.stop()

    def version(self) -> str:
        return f"{self.label} {self.sql('mysql', 'select version()').split('-')[0]}"

    def client(self, database: str) -> list[str]:
        return ["mariadb", "--no-defaults", "--quick", "--batch", "--skip-column-names", "--local-infile=1",
                "--default-character-set=utf8mb4", "--protocol=tcp", "-h", "127.0.0.1", "-P", str(self.port),
                "-u", "bench", database]

    def sql(self, database: str, *statements: str) -> str:
        return run([*self.client(database), "-e", "; ".join(statements)],
                   env=os.environ | self.client_environment)

    def load(self, text: Text) -> None:
        table, mark = text.table, self.folder / f"loaded.{text.table.name}"
        if mark.exists():
            return
        say(f"loading {table.name} into {self.label}")
        self.sql("bench_source", f"drop table if exists {table.name}", table.ddl,
                 f"load data local infile '{text.path}' into table {table.name}", f"analyze table {table.name}")
        mark.touch()

    def url(self, role: str) -> str:
        return f"{self.kind}://bench:bench@127.0.0.1:{self.port}/bench_{role}"

    def clear_target(self) -> None:
        """An empty database, and a server that does not still write what the run before left."""
        self.sql("mysql", "drop database if exists bench_target", "create database bench_target",
                 "flush binary logs", "purge binary logs before now()")
        os.sync()
        time.sleep(1)

    def allow_local_infile(self, allowed: bool) -> None:
        self.sql("mysql", f"set global local_infile = {int(allowed)}")

    def create(self, table: Table) -> None:
        self.sql("bench_target", table.ddl)

    def reader(self, table: Table, form: str) -> list[str]:
        return [*self.client("bench_source"), "-e", f"select * from {table.name}"]

    def writer(self, table: Table, form: str) -> list[str]:
        return [*self.client("bench_target"), "-e",
                f"load data local infile '/dev/stdin' into table {table.name} {form}"]

    def dump(self, table: Table, cast: bool) -> list[str]:
        columns = ", ".join(_cast(c) if cast else c.name for c in table.columns)
        return [*self.client("bench_target"), "-e", f"select {columns} from {table.name} order by id"]

    def rows(self, table: Table) -> int:
        return int(self.sql("bench_target", f"select count(*) from {table.name}"))

    def has_primary_key(self, table: Table) -> bool:
        return self.sql("bench_target", "select count(*) from information_schema.statistics where "
                        f"table_schema = 'bench_target' and table_name = '{table.name}' and "
                        "index_name = 'PRIMARY'") == "1"


class MariaDb(Mysql):
    kind, label = "mariadb", "MariaDB"

    def program(self) -> list[str | Path]:
        server = os.environ.get("ROWFERRY_MARIADBD", "/usr/sbin/mariadbd")
        if not Path(server).exists():
            raise Unavailable("no MariaDB: apt-get install mariadb-server, or set ROWFERRY_MARIADBD")
        return [server, "--no-defaults", f"--user={getpass.getuser()}"]

    def initialize(self, data: Path) -> None:
        run(["mariadb-install-db", "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={data}",
             "--skip-test-db", "--auth-root-authentication-method=normal"])


class Mysql9(Mysql):
    """Debian has it in sid only, so it stands in a folder of its own and is run by that folder's loader."""

    kind, label = "mysql", "MySQL"

    def program(self) -> list[str | Path]:
        places = [Path.home() / ".cache/rowferry-ci/mysql9", Path("/opt/mysql9")]
        if named := os.environ.get("ROWFERRY_MYSQL_ROOT"):
            places = [Path(named)]
        for root in places:
            if (root / "usr/sbin/mysqld").exists():
                return [root / "usr/lib64/ld-linux-x86-64.so.2", "--library-path",
                        root / "usr/lib/x86_64-linux-gnu", root / "usr/sbin/mysqld", "--no-defaults",
                        f"--basedir={root / 'usr'}", f"--user={getpass.getuser()}", "--mysqlx=OFF"]
        raise Unavailable("no MySQL 9: scripts/test installs one, or set ROWFERRY_MYSQL_ROOT")

    def initialize(self, data: Path) -> None:
        run([*self.program(), "--initialize-insecure", f"--datadir={data}"])


def _cast(column: Column) -> str:
    kind = {"bigint": "signed", "integer": "signed"}.get(column.type, column.type)
    if kind.startswith(("varchar", "char", "text")):
        kind = "char"
    return f"cast({column.name} as {kind})"
