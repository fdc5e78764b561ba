"""dlt: read by ConnectorX into Arrow tables, loaded as Parquet files by ADBC.

The fastest of its ways in a trial: CSV files and COPY took three times the client CPU."""

import sys

import dlt
from dlt.sources.sql_database import sql_table

source_url, target_url, table, folder = sys.argv[1:]
pipeline = dlt.pipeline(pipeline_name="bench", pipelines_dir=folder, dataset_name="public",
                        destination=dlt.destinations.postgres(target_url))
rows = sql_table(credentials=source_url, table=table, backend="connectorx", reflection_level="full_with_precision",
                 backend_kwargs={"return_type": "arrow"})
pipeline.run(rows, loader_file_format="parquet", write_disposition="replace")
