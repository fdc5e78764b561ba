"""DuckDB: both databases attached, the table made by one statement. The extensions come as packages."""

import importlib.resources
import sys

import duckdb

source_type, source, target_type, target, table = sys.argv[1:]
connection = duckdb.connect()
for type in sorted({source_type, target_type}):
    package = importlib.resources.files(f"duckdb_extension_{type}_scanner")
    file = package / "extensions" / f"v{duckdb.__version__}" / f"{type}_scanner.duckdb_extension"
    connection.execute(f"load '{file}'")
connection.execute(f"attach '{source}' as source (type {source_type}, read_only)")
connection.execute(f"attach '{target}' as target (type {target_type})")
schema = {"postgres": "public", "mysql": "bench_target"}[target_type]
connection.execute(f"create table target.{schema}.{table} as from source.{table}")
