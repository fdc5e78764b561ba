"""ConnectorX: a whole table into one Arrow table in memory, cut by key into partitions."""

import sys

import connectorx

url, table, partitions = sys.argv[1:]
cut = {"partition_on": "id", "partition_num": int(partitions)} if int(partitions) > 1 else {}
print(connectorx.read_sql(url, f"select * from {table}", return_type="arrow", protocol="binary", **cut).num_rows)
