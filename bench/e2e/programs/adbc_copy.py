"""ADBC: one connection reads record batches by COPY, the other ingests them by COPY."""

import sys

from adbc_driver_postgresql import dbapi

source_url, target_url, table = sys.argv[1:]
with dbapi.connect(source_url) as source, dbapi.connect(target_url) as target:
    with source.cursor() as read, target.cursor() as write:
        read.execute(f"select * from {table}")
        write.adbc_ingest(table, read.fetch_record_batch(), mode="create")
    target.commit()
