"""PostgreSQL as an end: a private server, its client, its part of a pipe."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from server import Server, Unavailable, free_port, initialized, run, say
from tables import Table, Text

# The settings of a sized-up but durable server: fsync, full_page_writes and synchronous_commit stay on.
SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=2GB", "max_wal_size=8GB")


class Postgres:
    kind = "pg"
    client_environment: dict[str, str] = {}
    server: Server | None = None

    def __init__(self, data: Path, scale: str) -> None:
        self.folder = data / f"pg-{scale}"
        self.port = free_port()

    def start(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[4]))
        programs = Path(os.environ.get("ROWFERRY_POSTGRES_BIN") or (found[-1].parent if found else "/nonexistent"))
        if not (programs / "postgres").exists() or not shutil.which("psql"):
            raise Unavailable("no PostgreSQL: apt-get install postgresql, or set ROWFERRY_POSTGRES_BIN")
        # PostgreSQL refuses to be root, so root lends it the user of that name.
        user = "postgres" if os.getuid() == 0 else None
        lent = {"user": user, "group": user, "extra_groups": []} if user else {}
        self.folder.mkdir(parents=True, exist_ok=True)
        if user:
            shutil.chown(self.folder, user)
        data = initialized(self.folder / "data", "PG_VERSION", lambda folder: run(
            [programs / "initdb", "-A", "trust", "-U", "bench", "-E", "UTF8", "--locale=C.UTF-8", folder],
            cwd="/", **lent))
        options = [word for setting in SETTINGS for word in ("-c", setting)]
        self.server = Server("PostgreSQL", [programs / "postgres", "-D", data, "-p", str(self.port), *options],
                             Path(f"{self.folder}.log"), signal.SIGINT, user)
        self.server.wait_until(lambda: self.sql("postgres", "select 1"))
        if self.sql("postgres", "select count(*) from pg_database where datname = 'bench_source'") == "0":
            self.sql("postgres", "create database bench_source")

    def stop(self) -> None:
        if self.server:
            self.server.stop()

    def version(self) -> str:
        return f"PostgreSQL {self.sql('postgres', 'show server_version').split()[0]}"

    def psql(self, database: str) -> list[str]:
        return ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
                "-U", "bench", "-d", database]

    def sql(self, database: str, *statements: str) -> str:
        return run([*self.psql(database), *(word for statement in statements for word in ("-c", statement))])

    def load(self, text: Text) -> None:
        table, mark = text.table, self.folder / f"loaded.{text.table.name}"
        if mark.exists():
            return
        say(f"loading {table.name} into PostgreSQL")
        self.sql("bench_source", f"drop table if exists {table.name}", table.ddl,
                 f"\\copy {table.name} from '{text.path}'", f"vacuum (freeze, analyze) {table.name}")
        mark.touch()

    def url(self, role: str) -> str:
        return f"postgres://bench@127.0.0.1:{self.port}/bench_{role}?sslmode=disable"

    def clear_target(self) -> None:
        """An empty database, and a server that does not still write what the run before left."""
        self.sql("postgres", "drop database if exists bench_target with (force)",
                 "create database bench_target", "checkpoint")
        time.sleep(1)

    def create(self, table: Table) -> None:
        self.sql("bench_target", table.ddl)

    def reader(self, table: Table, form: str) -> list[str]:
        return [*self.psql("bench_source"), "-c", f"copy {table.name} to stdout {form}"]

    def writer(self, table: Table, form: str) -> list[str]:
        return [*self.psql("bench_target"), "-c", f"copy {table.name} from stdin {form}"]

    def dump(self, table: Table, cast: bool) -> list[str]:
        columns = ", ".join(f"{c.name}::{c.type}" if cast else c.name for c in table.columns)
        return [*self.psql("bench_target"), "-c",
                f"copy (select {columns} from {table.name} order by id) to stdout"]

    def rows(self, table: Table) -> int:
        return int(self.sql("bench_target", f"select count(*) from {table.name}"))

    def has_primary_key(self, table: Table) -> bool:
        return self.sql("bench_target", "select count(*) from pg_index where indisprimary and indisvalid "
                        f"and indrelid = '{table.name}'::regclass") == "1"

